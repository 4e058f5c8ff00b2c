/* An OpenMP runtime's look-alike: like the real ones it registers itself in the process when it is first called, and
   aborts where another runtime has done so before ("OMP: Error #15"). That both are loaded hurts nobody. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int lab_omp_threads(void) {
    const char *other = getenv("LAB_OMP_REGISTERED");
    if (other != NULL && strcmp(other, LAB_RUNTIME) != 0) {
        fprintf(stderr, "OMP: Error #15: Initializing %s, but found %s already initialized.\n", LAB_RUNTIME, other);
        abort();
    }
    setenv("LAB_OMP_REGISTERED", LAB_RUNTIME, 1);
    return 1;
}
