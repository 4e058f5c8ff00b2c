int mv_legacy(void) { return 2; }
