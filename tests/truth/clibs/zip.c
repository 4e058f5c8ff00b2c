/* An ordinary library: a release adds a function, and a major release changes the SONAME. */
int labzip_open(void) { return LAB_VERSION; }
#if LAB_VERSION >= 16
int labzip_stream(void) { return LAB_VERSION; }
#endif
