/* A library whose file name changes with its series, and nothing else: the function stays. */
int lab_series(void) { return LAB_VERSION; }
