/** Where a TSS keeps what a task switch saves and loads, as offsets in bytes. */
export interface TssLayout {
  /** Bytes of an item. */
  readonly bytes: 2 | 4;
  /** The least limit that a task switch takes. */
  readonly minimumLimit: number;
  readonly cr3?: number;
  /** The first field that is saved. */
  readonly eip: number;
  readonly eflags: number;
  readonly gprs: number;
  /** ES, CS, SS, DS, and in a 32-bit TSS FS, GS. */
  readonly selectors: number;
  readonly selectorCount: number;
  /** End of what is saved. */
  readonly savedEnd: number;
  readonly ldt: number;
  /** The word whose bit 0 asks for #DB when the task begins. */
  readonly trap?: number;
}

/** SDM 3A, figure 7-2. */
export const TSS32: TssLayout = {
  bytes: 4,
  minimumLimit: 0x67,
  cr3: 0x1c,
  eip: 0x20,
  eflags: 0x24,
  gprs: 0x28,
  selectors: 0x48,
  selectorCount: 6,
  savedEnd: 0x60,
  ldt: 0x60,
  trap: 0x64,
};

/** SDM 3A, figure 7-10. */
export const TSS16: TssLayout = {
  bytes: 2,
  minimumLimit: 0x2b,
  eip: 0x0e,
  eflags: 0x10,
  gprs: 0x12,
  selectors: 0x22,
  selectorCount: 4,
  savedEnd: 0x2a,
  ldt: 0x2a,
};
