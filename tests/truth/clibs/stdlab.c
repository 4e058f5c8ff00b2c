/* Stands in for a C++ runtime: one SONAME for ever, and a new version node for what each release adds. */
int lab_string_new(void) { return 1; }
#if LAB_VERSION >= 13
int lab_format_new(void) { return 2; }
#endif
