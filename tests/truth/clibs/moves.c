/* Moves a function into another library within a minor release: the SONAME stays, the symbol does not. */
int mv_open(void) { return 1; }
#if LAB_VERSION < 2
int mv_legacy(void) { return 2; }
#endif
