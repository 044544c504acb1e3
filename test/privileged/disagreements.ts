/** Where QEMU's translator (7.2) does not do what the manual says, by the name of the case. */

/** A case that QEMU ends otherwise, or that ends QEMU's run. */
export interface Disagreement {
  readonly section: string;
  readonly reason: string;
  /** The case is left out of QEMU's image: it does not come back from it. */
  readonly leftOut?: boolean;
}

const NO_RESUME_FLAG: Disagreement = {
  section: 'SDM 3A 6.5, 17.3.1.1',
  reason: 'RF is not set in the image that a fault pushes',
};
const NO_SSE_EXCEPTIONS: Disagreement = { section: 'SDM 1 11.5', reason: 'unmasked SSE exceptions are not raised' };

const NO_LIMITS: Disagreement = { section: 'SDM 3A 5.3', reason: 'segment limits are not checked' };

const NO_VME: Disagreement = { section: 'SDM 3A 20.3', reason: 'VME does not exist' };
const OLD_EIP: Disagreement = {
  section: 'SDM 3A 7.3',
  reason: 'a fault of the new task saves the EIP of the instruction that switched',
};

const NOT_PRESENT: Disagreement = { section: 'SDM 3A 4.7', reason: 'P is clear in the error code of a reserved bit' };
const POINTERS: Disagreement = { section: 'SDM 3A 4.4.1', reason: 'page-directory pointers are not loaded with CR3' };

const NO_CHECK = (section: string): Disagreement => ({ section, reason: 'the value is taken' });

const IDT_INDEX: Disagreement = { section: 'SDM 3A 6.13', reason: 'the error code has the vector times 16' };
const STACK_FAULT: Disagreement = { section: 'SDM 3A 6.15, #SS', reason: '#GP is raised instead of #SS' };
const AFTER_JUMP: Disagreement = {
  section: 'SDM 3A 5.3.1',
  reason: 'RIP is loaded first, and the fault is one of the next instruction',
};
const NO_PCIDS: Disagreement = { section: 'SDM 3A 4.10.1', reason: 'PCIDs do not exist' };
const AMD: Disagreement = { section: 'SDM 2', reason: 'the instruction is as AMD defines it' };

export const DISAGREEMENTS: Readonly<Record<string, Disagreement>> = {
  'division by zero': NO_RESUME_FLAG,
  UD2: NO_RESUME_FLAG,
  'a faulting instruction faults before it traps': NO_RESUME_FLAG,
  'LOCK on what may not be locked': { section: 'SDM 2 LOCK', reason: 'LOCK before MOV is ignored' },
  'INT1 needs no privilege': { section: 'SDM 2 INT n', reason: 'INT1 stops for the debugger', leftOut: true },
  'an x87 exception waits for the next x87 instruction': { section: 'SDM 1 8.6', reason: 'only WAIT raises #MF' },
  'an SSE exception': NO_SSE_EXCEPTIONS,
  'an SSE exception without CR4.OSXMMEXCPT': NO_SSE_EXCEPTIONS,
  'a misaligned access at level 3 with AM and AC': { section: 'SDM 3A 6.15, #AC', reason: 'alignment is not checked' },
  'STI at level 3 with PVI sets VIF': { section: 'SDM 3A 20.4', reason: 'PVI does not exist' },
  'an MSR that does not exist': { section: 'SDM 2 RDMSR', reason: 'unknown registers read as zero' },
  'a missing handler of #UD is #NP with EXT': { section: 'SDM 3A 6.13', reason: 'EXT is not set in the error code' },
  'a debug register with general detect': { section: 'SDM 3B 18.2.4', reason: 'general detect does not exist' },
  'DR7 has fixed bits': { section: 'SDM 3B 18.2.4', reason: 'reserved bits can be set' },
  'the TSS’s stack is too small': NO_LIMITS,
  'real mode: a word at FFFFh': NO_LIMITS,
  'real mode: an offset beyond 64 KiB': NO_LIMITS,
  'a word across the limit': NO_LIMITS,
  'a byte beyond the limit': NO_LIMITS,
  'an expand-down segment below its limit': NO_LIMITS,
  'a write to read-only data': NO_LIMITS,
  'a write to code': NO_LIMITS,
  'a read through null': NO_LIMITS,
  'a stack segment exceeded': NO_LIMITS,
  'IRET to an EIP beyond the limit': NO_LIMITS,
  'V86: segments are of 64 KiB': NO_LIMITS,
  'V86: a stack access beyond 64 KiB': NO_LIMITS,
  'LTR with null': { section: 'SDM 2 LTR', reason: 'null is taken' },
  'CALL through a gate to conforming code at level 3': {
    section: 'SDM 2 CALL',
    reason: 'the RPL of CS is not set to CPL',
  },
  'IRET to a stack not present': { section: 'SDM 2 IRET', reason: '#NP is raised instead of #SS' },
  'JMP through a task gate to the LDT at level 3': { section: 'SDM 2 JMP', reason: '#TS is raised instead of #GP' },
  'the T bit of a TSS': { section: 'SDM 3A 7.2.1', reason: 'the bit is not looked at' },
  'a new task with null CS': OLD_EIP,
  'a new task with data as CS': OLD_EIP,
  'a new task with CS not present': OLD_EIP,
  'a new task with null SS': OLD_EIP,
  'a new task with SS not present': { section: 'SDM 3A table 7-1', reason: '#NP is raised instead of #SS' },
  'a new task with DS beyond the table': { section: 'SDM 3A table 7-1', reason: 'nothing is raised' },
  'a new task with DS not present': OLD_EIP,
  'a new task with a bad LDT': OLD_EIP,
  'V86 with VME: CLI clears VIF': NO_VME,
  'V86 with VME: STI sets VIF': NO_VME,
  'V86 with VME: PUSHF shows VIF as IF': NO_VME,
  'V86 with VME: POPF sets VIF': NO_VME,
  'V86 with VME: INT n redirected to the task': NO_VME,
  'V86 with VME: IRET sets VIF': NO_VME,
  'XCHG with a page not present at level 3': {
    section: 'SDM 3A 4.7',
    reason: 'the read of a locked access faults as a read',
  },
  'a large page with a reserved bit': NOT_PRESENT,
  'PAE: a reserved bit in a page entry': NOT_PRESENT,
  'PAE: XD without EFER.NXE is reserved': NOT_PRESENT,
  'PAE: a reserved bit in a large page': NOT_PRESENT,
  'PAE: a pointer with a reserved bit': POINTERS,
  'PAE: a load of CR3 checks the pointers': POINTERS,
  'PAE: a pointer counts when CR3 is loaded': { ...POINTERS, leftOut: true },
  'CR0: paging without protection': { ...NO_CHECK('SDM 2 MOV CR'), leftOut: true },
  'CR0: NW without CD': NO_CHECK('SDM 2 MOV CR'),
  'CR4: PCIDs outside long mode': NO_CHECK('SDM 3A 4.10.1'),
  'EFER: a bit that does not exist': NO_CHECK('SDM 4 IA32_EFER'),
  'EFER: LME while paging is on': NO_CHECK('SDM 3A 2.2.1'),
  'CR0: paging with LME and without PAE': NO_CHECK('SDM 3A 9.8.5'),
  'PAT: an invalid type': NO_CHECK('SDM 3A 11.12.2'),
  'CR4: a bit that does not exist': { section: 'SDM 2 MOV CR', reason: 'the run ends', leftOut: true },
  'long3: a stack address that is not canonical': STACK_FAULT,
  'long3: PUSH to an address that is not canonical': STACK_FAULT,
  'long3: JMP to an address that is not canonical': AFTER_JUMP,
  'long3: RET to an address that is not canonical': AFTER_JUMP,
  'long0: IRET to an address that is not canonical': AFTER_JUMP,
  'long3: a handler that is not canonical': AFTER_JUMP,
  'long3: CALL through a gate whose offset is not canonical': AFTER_JUMP,
  'long0: SYSRET to an address that is not canonical': AFTER_JUMP,
  'long3: WRGSBASE of an address that is not canonical': NO_CHECK('SDM 2 WRGSBASE'),
  'long3: a gate of level 0': IDT_INDEX,
  'long3: a gate that is not present': IDT_INDEX,
  'long3: a call gate in the IDT': IDT_INDEX,
  'long3: a 16-bit gate': IDT_INDEX,
  'long3: a task gate': IDT_INDEX,
  'long3: an entry beyond the IDT': IDT_INDEX,
  'long0: IRET to code with L and D': NO_CHECK('SDM 2 IRET'),
  'long0: CALL through code with L and D': NO_CHECK('SDM 2 CALL'),
  'long0: IRET to a stack not present': { section: 'SDM 2 IRET', reason: '#NP is raised instead of #SS' },
  'long3: CALL through a gate to conforming code': {
    section: 'SDM 2 CALL',
    reason: 'the RPL of CS is not set to CPL',
  },
  'long3: SYSCALL': { section: 'SDM 2 SYSCALL', reason: 'the arithmetic flags are lost' },
  'compat3: SYSCALL does not exist': AMD,
  'long3: SYSENTER': AMD,
  'long0: SYSEXIT to an address that is not canonical': AMD,
  'long0: CR4 without PAE': { ...NO_CHECK('SDM 2 MOV CR'), leftOut: true },
  'long0: CR0 without paging': { ...NO_CHECK('SDM 2 MOV CR'), leftOut: true },
  'long0: CR0 with upper bits': NO_CHECK('SDM 2 MOV CR'),
  'long0: CR3 beyond the physical address': { ...NO_CHECK('SDM 2 MOV CR'), leftOut: true },
  'long0: PCIDs with a used CR3': { ...NO_PCIDS, leftOut: true },
  'long0: PCIDs': { ...NO_PCIDS, leftOut: true },
  'long0: INVPCID with a bad type': NO_PCIDS,
  'long0: CR8 above 15': NO_CHECK('SDM 2 MOV CR'),
  'long0: EFER without LME': NO_CHECK('SDM 3A 2.2.1'),
  'long0: FS base that is not canonical': NO_CHECK('SDM 2 WRMSR'),
  'long0: LSTAR that is not canonical': NO_CHECK('SDM 2 WRMSR'),
  'long0: SYSENTER_EIP that is not canonical': NO_CHECK('SDM 2 WRMSR'),
  'long0: LTR with a base that is not canonical': NO_CHECK('SDM 2 LTR'),
  'long0: SS with null and another RPL': NO_CHECK('SDM 2 MOV'),
  'long0: LAR of a 16-bit TSS': { section: 'SDM 2 LAR', reason: 'types that long mode does not have are seen' },
  'compat3: a segment limit counts': NO_LIMITS,
  'long3: a physical address beyond the width': NOT_PRESENT,
  'long3: XD without EFER.NXE': NOT_PRESENT,
  'long0: a page size bit in the top table': NOT_PRESENT,
  'long0: a page of 1 GiB with a reserved bit': NOT_PRESENT,
  'long0: a large page with a reserved bit': NOT_PRESENT,
  'a repeated instruction traps after each turn': NO_RESUME_FLAG,
  'MWAIT without MONITOR does not wait': { section: 'SDM 2 MWAIT', reason: 'it waits', leftOut: true },
  'long0: INVPCID of all': NO_PCIDS,
  'the TSS’s stack is not present': { section: 'SDM 2 INT n', reason: '#TS is raised instead of #SS', leftOut: true },
};
