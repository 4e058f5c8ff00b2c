/* A program, and a library of a user's own, that call one function of one library: LAB_SYMBOL. */
#include <stdio.h>

extern int LAB_SYMBOL(void);

int lab_tool_answer(void) { return LAB_SYMBOL(); }

#ifdef LAB_PROGRAM
int main(void) {
    printf("%d\n", lab_tool_answer());
    return 0;
}
#endif
