// case: coroutines on stacks of 8 KiB, switched between allocations
// planted: yes
// held: what was left on the stack of a coroutine that has ended: its mapping is still there

#include "parts/host.h"
#include <ucontext.h>
static ucontext_t main_context, contexts[50]; static int done;
static void work(int n) { for (int i = 0; i < 20; i++) { void *volatile p = malloc(100 + i); swapcontext(&contexts[n], &main_context); free(p); } if (n == 7) planted(); done++; swapcontext(&contexts[n], &main_context); }
int main(void) {
    for (int i = 0; i < 50; i++) { getcontext(&contexts[i]); contexts[i].uc_stack.ss_sp = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); contexts[i].uc_stack.ss_size = 8192; makecontext(&contexts[i], (void (*)(void))work, 1, i); }
    for (int r = 0; r < 21; r++) for (int i = 0; i < 50; i++) { swapcontext(&main_context, &contexts[i]); free(malloc(10)); }
    CHECK(done == 50); return ok();
}
