/*
 * Executes floating-point instructions on the host's own processor.
 *
 * Standard input: cases of 32 bytes: operation, control word (FCW, or MXCSR), ST0, ST1 (10 bytes each), or two
 * operands of SSE. Standard output: 32 bytes a case: FSW (or MXCSR), tag word, ST0, ST1 as they lie in the registers,
 * and 8 bytes of memory; 10-byte stores replace ST1 and two bytes of the memory.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#pragma pack(push, 1)
struct test_case {
  uint16_t operation;
  uint16_t fcw;
  uint8_t st0[10];
  uint8_t st1[10];
  uint64_t memory;
};
struct outcome {
  uint16_t fsw;
  uint16_t tags;
  uint8_t st0[10];
  uint8_t st1[10];
  uint64_t memory;
};
struct fsave_image {
  uint32_t fcw, fsw, ftw, fip, fcs, fdp, fds;
  uint8_t st[8][10];
};
#pragma pack(pop)

static struct fsave_image image;
static uint8_t memory[16] __attribute__((aligned(16)));

#define X87(number, text)                                          \
  case number:                                                     \
    __asm__ volatile(text : "+m"(memory) : : "memory", "ax", "cc"); \
    break;

static int run_x87(int operation) {
  switch (operation) {
    X87(0, "fadd %%st(1), %%st")
    X87(1, "fsub %%st(1), %%st")
    X87(2, "fmul %%st(1), %%st")
    X87(3, "fdiv %%st(1), %%st")
    X87(4, "fsqrt")
    X87(5, "fprem")
    X87(6, "fprem1")
    X87(7, "frndint")
    X87(8, "fscale")
    X87(9, "fxtract")
    X87(10, "fsts %0")
    X87(11, "fstl %0")
    X87(12, "fists %0")
    X87(13, "fistl %0")
    X87(14, "fistpll %0")
    X87(15, "fisttps %0")
    X87(16, "fisttpl %0")
    X87(17, "fisttpll %0")
    X87(18, "fbstp %0")
    X87(19, "flds %0")
    X87(20, "fldl %0")
    X87(21, "fcom %%st(1)")
    X87(22, "fucom %%st(1)")
    X87(23, "ftst")
    X87(24, "fxam")
    X87(25, "fadds %0")
    X87(26, "faddl %0")
    X87(27, "fbld %0")
    X87(28, "fldpi")
    X87(29, "fldl2t")
    X87(30, "fldl2e")
    X87(31, "fldlg2")
    X87(32, "fldln2")
    X87(33, "fcoms %0")
    X87(34, "fdivrl %0")
    X87(35, "fiadds %0")
    X87(36, "fimull %0")
    X87(37, "fildll %0")
    X87(38, "fsubr %%st(1), %%st")
    X87(39, "fstpt %0")
    X87(40, "fchs")
    X87(41, "fabs")
    X87(42, "fcompp")
    X87(43, "fmulp %%st, %%st(1)")
    X87(50, "fsin")
    X87(51, "fcos")
    X87(52, "fsincos")
    X87(53, "fptan")
    X87(54, "fpatan")
    X87(55, "f2xm1")
    X87(56, "fyl2x")
    X87(57, "fyl2xp1")
  default:
    return 0;
  }
  return 1;
}

#define SSE(number, text)                                                                \
  case number:                                                                           \
    __asm__ volatile("movq %0, %%xmm0\n\tmovq %1, %%xmm1\n\txor %%eax, %%eax\n\tldmxcsr %2\n\t" text \
                     "\n\tstmxcsr %2\n\tmovq %%xmm0, %0"                               \
                     : "+m"(*(uint64_t *)memory), "+m"(*second), "+m"(*mxcsr)              \
                     :                                                                   \
                     : "xmm0", "xmm1", "rax", "cc", "memory");                             \
    break;

static void run_sse(int operation, uint64_t *second, uint32_t *mxcsr) {
  switch (operation) {
    SSE(100, "addss %%xmm1, %%xmm0")
    SSE(101, "subss %%xmm1, %%xmm0")
    SSE(102, "mulss %%xmm1, %%xmm0")
    SSE(103, "divss %%xmm1, %%xmm0")
    SSE(104, "sqrtss %%xmm0, %%xmm0")
    SSE(105, "cvtss2sd %%xmm0, %%xmm0")
    SSE(106, "comiss %%xmm1, %%xmm0\n\tlahf\n\tmovq %%rax, %%xmm0")
    SSE(107, "ucomiss %%xmm1, %%xmm0\n\tlahf\n\tmovq %%rax, %%xmm0")
    SSE(108, "cvtss2si %%xmm0, %%eax\n\tmovq %%rax, %%xmm0")
    SSE(109, "cvtss2si %%xmm0, %%rax\n\tmovq %%rax, %%xmm0")
    SSE(110, "cvttss2si %%xmm0, %%eax\n\tmovq %%rax, %%xmm0")
    SSE(111, "cvttss2si %%xmm0, %%rax\n\tmovq %%rax, %%xmm0")
    SSE(112, "cvtsi2ssl %0, %%xmm0")
    SSE(113, "cvtsi2ssq %0, %%xmm0")
    SSE(114, "roundss $4, %%xmm0, %%xmm0")
    SSE(115, "roundss $12, %%xmm0, %%xmm0")
    SSE(200, "addsd %%xmm1, %%xmm0")
    SSE(201, "subsd %%xmm1, %%xmm0")
    SSE(202, "mulsd %%xmm1, %%xmm0")
    SSE(203, "divsd %%xmm1, %%xmm0")
    SSE(204, "sqrtsd %%xmm0, %%xmm0")
    SSE(205, "cvtsd2ss %%xmm0, %%xmm0")
    SSE(206, "comisd %%xmm1, %%xmm0\n\tlahf\n\tmovq %%rax, %%xmm0")
    SSE(207, "ucomisd %%xmm1, %%xmm0\n\tlahf\n\tmovq %%rax, %%xmm0")
    SSE(208, "cvtsd2si %%xmm0, %%eax\n\tmovq %%rax, %%xmm0")
    SSE(209, "cvtsd2si %%xmm0, %%rax\n\tmovq %%rax, %%xmm0")
    SSE(210, "cvttsd2si %%xmm0, %%eax\n\tmovq %%rax, %%xmm0")
    SSE(211, "cvttsd2si %%xmm0, %%rax\n\tmovq %%rax, %%xmm0")
    SSE(212, "cvtsi2sdl %0, %%xmm0")
    SSE(213, "cvtsi2sdq %0, %%xmm0")
    SSE(214, "roundsd $4, %%xmm0, %%xmm0")
    SSE(215, "roundsd $12, %%xmm0, %%xmm0")
  }
}

static void run_fpu_case(const struct test_case *in, struct outcome *out) {
  __asm__ volatile(
      "fninit\n\tfldt %0\n\tfldt %1\n\tfldcw %2"
      :
      : "m"(in->st1), "m"(in->st0), "m"(in->fcw));
  memcpy(memory, &in->memory, 8);
  memcpy(memory + 8, &in->st1, 2);
  run_x87(in->operation);
  __asm__ volatile("fnsave %0" : "=m"(image) : : "memory");
  out->fsw = image.fsw;
  out->tags = image.ftw;
  memcpy(out->st0, image.st[0], 10);
  memcpy(out->st1, image.st[1], 10);
  memcpy(&out->memory, memory, 8);
  if (in->operation == 18 || in->operation == 39) memcpy(out->st1, memory, 10);
}

static void run_sse_case(const struct test_case *in, struct outcome *out) {
  uint64_t second;
  uint32_t mxcsr = in->fcw;
  uint32_t normal = 0x1f80;
  memcpy(&second, in->st0, 8);
  memcpy(memory, &in->memory, 8);
  run_sse(in->operation, &second, &mxcsr);
  __asm__ volatile("ldmxcsr %0" : : "m"(normal));
  memset(out, 0, sizeof *out);
  out->fsw = mxcsr;
  memcpy(&out->memory, memory, 8);
}

int main(void) {
  struct test_case in;
  struct outcome out;
  while (fread(&in, sizeof in, 1, stdin) == 1) {
    if (in.operation < 100) run_fpu_case(&in, &out);
    else run_sse_case(&in, &out);
    fwrite(&out, sizeof out, 1, stdout);
  }
  return 0;
}
