/* Stands in for a CUDA runtime: the SONAME carries the major version, and so does the version node of its symbols. */
int labcudaRuntimeGetVersion(void) { return LAB_VERSION; }
int labcudaMalloc(void) { return 0; }
