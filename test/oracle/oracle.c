/*
 * Executes short pieces of user-mode x86 code on the processor it runs on and tells what they did.
 *
 * Cases come on standard input, results go to standard output, both as the fixed records below (little-endian). Each
 * case is started by a return from a signal handler, which loads all registers, the code and stack segments and the
 * x87/SSE state at once, and ends in a signal: the code page is full of INT3. So the handler is the loop: it takes the
 * result of one case and starts the next. 64-bit code runs in the flat segment that Linux gives, 32-bit code in its
 * compatibility segment, 16-bit code in segments of the LDT (modify_ldt).
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <unistd.h>

#define CODE_BASE 0x00200000u
#define CODE_BYTES 4096u
#define DATA_BASE 0x00300000u
#define DATA_BYTES 65536u
#define MAX_CODE 64
#define MAX_CHANGES 4096

enum { LDT_CODE16, LDT_DATA16 };
#define LDT_SELECTOR(n) (((n) << 3) | 7)
#define USER_CODE32 0x23
#define USER_DATA 0x2b
#define USER_CODE64 0x33
#define SIGCONTEXT_SS 2
#define STRICT_RESTORE_SS 4

/* The first 416 bytes of the FXSAVE image: all that user code can change. */
#define FX_BYTES 416
/* Where Linux says that an XSAVE header follows the FXSAVE image, and that header's XSTATE_BV. */
#define XSAVE_MAGIC_OFFSET 464
#define XSAVE_MAGIC 0x46505853u
#define XSTATE_BV_OFFSET 512

struct test_case {
  uint64_t gpr[16]; /* encoding order; addresses as the code sees them */
  uint64_t rflags;
  uint32_t mode; /* 16, 32, 64 */
  uint32_t start; /* offset of the code in its page */
  uint32_t code_length;
  uint32_t reserved;
  uint8_t code[MAX_CODE];
  uint8_t fx[FX_BYTES];
};

struct change {
  uint32_t offset;
  uint32_t value; /* the new byte */
};

struct result {
  uint64_t gpr[16];
  uint64_t rflags;
  uint64_t rip; /* as the code sees it; of the INT3 that ended the case, or of the instruction that faulted */
  uint32_t vector; /* 3: ended at an INT3 */
  uint32_t error;
  uint64_t address; /* CR2, for vector 14 */
  uint32_t changes; /* bytes of memory that changed; MAX_CHANGES + 1 where too many did */
  uint32_t reserved;
  uint8_t fx[FX_BYTES];
};

static const int register_index[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                       REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static struct test_case current;
static uint8_t background[DATA_BYTES];
static int running;
static uint8_t *const code_page = (uint8_t *)(uintptr_t)CODE_BASE;
static uint8_t *const data = (uint8_t *)(uintptr_t)DATA_BASE;

static void fail(const char *what) {
  perror(what);
  _exit(2);
}

static int read_fully(void *target, size_t length) {
  size_t done = 0;
  while (done < length) {
    size_t n = fread((char *)target + done, 1, length - done, stdin);
    if (n == 0) return 0;
    done += n;
  }
  return 1;
}

static void set_data_segments(unsigned selector) {
  __asm__ volatile("movw %w0, %%ds\n\tmovw %w0, %%es" : : "r"(selector));
}

static void collect(ucontext_t *uc) {
  greg_t *g = uc->uc_mcontext.gregs;
  struct result r;
  static struct change changes[MAX_CHANGES];
  memset(&r, 0, sizeof r);
  for (int i = 0; i < 16; i++) r.gpr[i] = (uint64_t)g[register_index[i]];
  r.rflags = (uint64_t)g[REG_EFL];
  r.vector = (uint32_t)g[REG_TRAPNO];
  r.error = (uint32_t)g[REG_ERR];
  r.address = r.vector == 14 ? (uint64_t)g[REG_CR2] : 0;
  r.rip = (uint64_t)g[REG_RIP];
  if (r.vector == 3) r.rip -= 1;
  memcpy(r.fx, uc->uc_mcontext.fpregs, FX_BYTES);
  for (uint32_t at = 0; at < DATA_BYTES; at += 8) {
    if (memcmp(data + at, background + at, 8) == 0) continue;
    for (uint32_t i = at; i < at + 8; i++) {
      if (data[i] == background[i]) continue;
      if (r.changes < MAX_CHANGES) changes[r.changes] = (struct change){i, data[i]};
      if (r.changes <= MAX_CHANGES) r.changes++;
    }
    memcpy(data + at, background + at, 8);
  }
  uint32_t kept = r.changes > MAX_CHANGES ? MAX_CHANGES : r.changes;
  if (fwrite(&r, sizeof r, 1, stdout) != 1) fail("write");
  if (kept && fwrite(changes, sizeof changes[0], kept, stdout) != kept) fail("write");
  memset(code_page + current.start, 0xcc, current.code_length);
}

static void start(ucontext_t *uc) {
  greg_t *g = uc->uc_mcontext.gregs;
  unsigned cs = current.mode == 64 ? USER_CODE64 : current.mode == 32 ? USER_CODE32 : LDT_SELECTOR(LDT_CODE16);
  unsigned ss = current.mode == 16 ? LDT_SELECTOR(LDT_DATA16) : USER_DATA;
  memcpy(code_page + current.start, current.code, current.code_length);
  for (int i = 0; i < 16; i++) g[register_index[i]] = (greg_t)current.gpr[i];
  g[REG_EFL] = (greg_t)(current.rflags | 0x202);
  g[REG_RIP] = (greg_t)(current.start + (current.mode == 16 ? 0 : CODE_BASE));
  uint64_t selectors = (uint64_t)g[REG_CSGSFS];
  g[REG_CSGSFS] = (greg_t)((selectors & 0x0000ffffffff0000u) | cs | ((uint64_t)ss << 48));
  uc->uc_flags |= SIGCONTEXT_SS | STRICT_RESTORE_SS;
  uint8_t *fp = (uint8_t *)uc->uc_mcontext.fpregs;
  memcpy(fp, current.fx, FX_BYTES);
  uint32_t magic;
  memcpy(&magic, fp + XSAVE_MAGIC_OFFSET, 4);
  if (magic == XSAVE_MAGIC) fp[XSTATE_BV_OFFSET] |= 3; /* x87 and SSE are not in their initial state */
  set_data_segments(ss);
}

static void handle(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)info;
  ucontext_t *uc = context;
  set_data_segments(USER_DATA);
  if (running) collect(uc);
  running = 1;
  if (!read_fully(&current, sizeof current)) {
    fflush(stdout);
    _exit(0);
  }
  if (current.code_length > MAX_CODE || current.start + current.code_length > CODE_BYTES) fail("case");
  start(uc);
}

static void map_fixed(uint32_t at, uint32_t bytes, int protection) {
  void *p = mmap((void *)(uintptr_t)at, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (p != (void *)(uintptr_t)at) fail("mmap");
}

static int set_ldt(unsigned entry, uint32_t base, uint32_t limit, int is_code) {
  struct user_desc d;
  memset(&d, 0, sizeof d);
  d.entry_number = entry;
  d.base_addr = base;
  d.limit = limit;
  d.contents = is_code ? 2 : 0;
  d.seg_32bit = 0;
  return syscall(SYS_modify_ldt, 1, &d, sizeof d) == 0;
}

static void install(void) {
  static const int signals[] = {SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  stack_t stack = {.ss_sp = malloc(1 << 17), .ss_size = 1 << 17};
  if (sigaltstack(&stack, NULL)) fail("sigaltstack");
  for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    if (sigaction(signals[i], &action, NULL)) fail("sigaction");
  }
}

/* Input: 64 KiB of memory content, then cases. Output: whether 16-bit code can run, then results. */
int main(void) {
  map_fixed(CODE_BASE, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
  map_fixed(DATA_BASE, DATA_BYTES, PROT_READ | PROT_WRITE);
  memset(code_page, 0xcc, CODE_BYTES);
  if (!read_fully(background, DATA_BYTES)) fail("memory");
  memcpy(data, background, DATA_BYTES);
  uint32_t has_16_bit =
      set_ldt(LDT_CODE16, CODE_BASE, CODE_BYTES - 1, 1) && set_ldt(LDT_DATA16, DATA_BASE, DATA_BYTES - 1, 0);
  if (fwrite(&has_16_bit, 4, 1, stdout) != 1) fail("write");
  install();
  __asm__ volatile("int3");
  return 1;
}
