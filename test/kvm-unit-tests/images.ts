import type { ImageRun } from './run.ts';

/** A folder of images and those among them that pass. The others are in docs/conformance.md, with reasons. */
export interface ImageFolder {
  readonly folder: 'i386' | 'x86_64';
  readonly images: readonly ImageRun[];
}

/** Keeps an image from what only KVM does: hypercalls, and 32-bit SYSCALL on Intel's processors. */
const NOT_KVM = 'TEST_DEVICE=0';
const BOTH: readonly ImageRun[] = [
  { name: 'emulator' },
  { name: 'eventinj' },
  { name: 'hpet_read_test' },
  { name: 'la57' },
  { name: 'msr' },
  { name: 'realmode' },
  { name: 'setjmp' },
  { name: 'sieve' },
  { name: 'smap' },
  { name: 'smptest' },
  { name: 'tsc' },
  { name: 'tsc_adjust' },
  { name: 'umip' },
];

export const IMAGE_FOLDERS: readonly ImageFolder[] = [
  { folder: 'i386', images: [...BOTH, { name: 'cmpxchg8b' }, { name: 'taskswitch' }, { name: 'taskswitch2' }] },
  {
    folder: 'x86_64',
    images: [
      ...BOTH,
      { name: 'apic', environment: NOT_KVM },
      { name: 'debug' },
      { name: 'idt_test' },
      { name: 'ioapic' },
      { name: 'memory' },
      { name: 'pcid' },
      { name: 'rmap_chain' },
      { name: 'syscall', environment: NOT_KVM },
      { name: 'xsave' },
    ],
  },
];
