// Every register that user code has, the flags and the red zone are filled, and compared when stdin says so.
//
// `registers main` does it in the first thread, `registers thread` in another one.
#include "running.h"
#include <stddef.h>

// Of all levels: 32 registers of 64 bytes, and 8 masks.
struct values {
    uint64_t general[14];
    uint64_t red_zone[16];
    double floats[8];
    unsigned char vectors[32][64];
    uint64_t masks[8];
    uint32_t mxcsr;
    uint16_t control;
    uint64_t flags;
};

static struct values wanted, found;
static volatile int is_over;
// 0: SSE, 1: AVX, 2: AVX-512.
static int level;

#define NUMBERS8(x) x(0) x(1) x(2) x(3) x(4) x(5) x(6) x(7)
#define NUMBERS16(x) NUMBERS8(x) x(8) x(9) x(10) x(11) x(12) x(13) x(14) x(15)
#define NUMBERS32(x) NUMBERS16(x) x(16) x(17) x(18) x(19) x(20) x(21) x(22) x(23) x(24) x(25) x(26) x(27) x(28) x(29) x(30) x(31)

#define LOAD_SSE(n) "movups " #n "*64(%rdi), %xmm" #n "\n"
#define SAVE_SSE(n) "movups %xmm" #n ", " #n "*64(%rdi)\n"
#define LOAD_AVX(n) "vmovups " #n "*64(%rdi), %ymm" #n "\n"
#define SAVE_AVX(n) "vmovups %ymm" #n ", " #n "*64(%rdi)\n"
#define LOAD_512(n) "vmovups " #n "*64(%rdi), %zmm" #n "\n"
#define SAVE_512(n) "vmovups %zmm" #n ", " #n "*64(%rdi)\n"
#define LOAD_MASK(n) "kmovw 2048+" #n "*8(%rdi), %k" #n "\n"
#define SAVE_MASK(n) "kmovw %k" #n ", 2048+" #n "*8(%rdi)\n"
#define LOAD_FLOAT(n) "fldl 240+" #n "*8(%rdi)\n"
#define SAVE_FLOAT(n) "fstpl 240+(7-" #n ")*8(%rdi)\n"

_Static_assert(offsetof(struct values, red_zone) == 112 && offsetof(struct values, floats) == 240, "as in the code below");
_Static_assert(offsetof(struct values, vectors) == 304 && offsetof(struct values, masks) == 304 + 2048, "so too");

// rdi: vectors and masks.
void load_0(void); void load_1(void); void load_2(void);
void save_0(void); void save_1(void); void save_2(void);
void spin(struct values *wanted, struct values *found, volatile int *is_over, void (*load)(void), void (*save)(void));

__asm__(".text\n"
        "load_0:\n" NUMBERS16(LOAD_SSE) "ret\n"
        "save_0:\n" NUMBERS16(SAVE_SSE) "ret\n"
        "load_1:\n" NUMBERS16(LOAD_AVX) "ret\n"
        "save_1:\n" NUMBERS16(SAVE_AVX) "vzeroupper\nret\n"
        "load_2:\n" NUMBERS32(LOAD_512) NUMBERS8(LOAD_MASK) "ret\n"
        "save_2:\n" NUMBERS32(SAVE_512) NUMBERS8(SAVE_MASK) "vzeroupper\nret\n"
        "spin: push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rsi; push %r8\n"
        "mov %rdx, is_over_at(%rip); mov %rdi, %rbx\n"
        "lea 304(%rbx), %rdi; call *%rcx; mov %rbx, %rdi\n"
        "fninit\n" NUMBERS8(LOAD_FLOAT)
        "fldcw offset_control(%rdi)\n"
        "ldmxcsr offset_mxcsr(%rdi)\n"
        ".irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16\n mov 112-8+8*\\n(%rdi), %rax; mov %rax, -8*\\n(%rsp)\n.endr\n"
        "mov 0(%rdi), %rax; mov 8(%rdi), %rbx; mov 16(%rdi), %rcx; mov 24(%rdi), %rdx; mov 32(%rdi), %rsi\n"
        "mov 40(%rdi), %rbp; mov 48(%rdi), %r8; mov 56(%rdi), %r9; mov 64(%rdi), %r10; mov 72(%rdi), %r11\n"
        "mov 80(%rdi), %r12; mov 88(%rdi), %r13; mov 96(%rdi), %r14; mov 104(%rdi), %r15\n"
        "mov is_over_at(%rip), %rdi; std\n"
        "1: pause; cmpl $0, (%rdi); je 1b\n"
        "mov 8(%rsp), %rdi\n"
        "mov %rax, 0(%rdi); mov %rbx, 8(%rdi); mov %rcx, 16(%rdi); mov %rdx, 24(%rdi); mov %rsi, 32(%rdi)\n"
        "mov %rbp, 40(%rdi); mov %r8, 48(%rdi); mov %r9, 56(%rdi); mov %r10, 64(%rdi); mov %r11, 72(%rdi)\n"
        "mov %r12, 80(%rdi); mov %r13, 88(%rdi); mov %r14, 96(%rdi); mov %r15, 104(%rdi)\n"
        ".irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16\n mov -8*\\n(%rsp), %rax; mov %rax, 112-8+8*\\n(%rdi)\n.endr\n"
        "pushfq; pop %rax; and $0x400, %rax; mov %rax, offset_flags(%rdi); cld\n"
        NUMBERS8(SAVE_FLOAT)
        "fnstcw offset_control(%rdi); stmxcsr offset_mxcsr(%rdi)\n"
        "fninit; ldmxcsr usual(%rip)\n"
        "mov (%rsp), %rax; add $304, %rdi; call *%rax\n"
        "pop %r8; pop %rsi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n"
        "usual: .long 0x1f80\n"
        ".local is_over_at\n.comm is_over_at, 8, 8\n"
        ".set offset_mxcsr, 304+2048+64\n.set offset_control, offset_mxcsr+4\n.set offset_flags, offset_mxcsr+8\n");

_Static_assert(offsetof(struct values, mxcsr) == 304 + 2048 + 64 && offsetof(struct values, flags) == 304 + 2048 + 72, "so too");

static void fill(void) {
    unsigned random = 12345;
    for (size_t i = 0; i < sizeof wanted; i++) {
        random = random * 1103515245u + 12345u;
        ((unsigned char *)&wanted)[i] = (unsigned char)(random >> 16);
    }
    for (int i = 0; i < 8; i++) {
        wanted.floats[i] = 1.5 + i;
        wanted.masks[i] &= 0xffff;
    }
    // All exceptions masked; rounding upwards; flush to zero, and denormals are zero.
    wanted.mxcsr = 0x1f80 | 2 << 13 | 1 << 15 | 1 << 6;
    // All exceptions masked; double precision; towards zero.
    wanted.control = 0x7f | 2 << 8 | 3 << 10;
    wanted.flags = 0x400;
    level = __builtin_cpu_supports("avx512f") ? 2 : __builtin_cpu_supports("avx");
    // What the level does not have stays as it was.
    memcpy(&found, &wanted, sizeof found);
    memset(found.general, 0, sizeof found.general + sizeof found.red_zone + sizeof found.floats);
    for (int i = 0; i < (level == 2 ? 32 : 16); i++) {
        memset(found.vectors[i], 0, 16u << level);
    }
    found.mxcsr = found.control = 0;
    found.flags = 0;
}

static void *body(void *nothing) {
    static void (*const loads[])(void) = {load_0, load_1, load_2};
    static void (*const saves[])(void) = {save_0, save_1, save_2};
    spin(&wanted, &found, &is_over, loads[level], saves[level]);
    return nothing;
}

static void *control(void *nothing) {
    CHECK(hear() == 'e');
    is_over = 1;
    return nothing;
}

int main(int argc, char **argv) {
    (void)argc;
    int is_main = !strcmp(argv[1], "main");
    fill();
    pthread_t other = start_thread(is_main ? control : body, NULL);
    usleep(50000);
    ready();
    (is_main ? body : control)(NULL);
    CHECK(pthread_join(other, NULL) == 0);
#define COMPARE(field) CHECK(memcmp(&found.field, &wanted.field, sizeof wanted.field) == 0)
    COMPARE(general);
    COMPARE(red_zone);
    COMPARE(floats);
    COMPARE(vectors);
    COMPARE(masks);
    COMPARE(mxcsr);
    COMPARE(control);
    COMPARE(flags);
    SAY("same at level %d\n", level);
    return 0;
}
