import { PCI_HOLE_GPA } from '../machine/guest-memory.ts';

/**
 * Where everything lies on the PC board: one place for addresses, interrupts and slots. They are those of QEMU's `pc`
 * machine, which is modelled on Intel's 440FX chip set, and never change between versions.
 */

/** Memory-mapped chips and areas. */
export const PC_MEMORY = {
  ebda: 0x9fc00,
  /** The window of the display adapter, and where it ends. */
  vga: 0xa0000,
  vgaEnd: 0xc0000,
  /** RAM that holds ACPI tables and, at its end, the BIOS: what a PC has in ROM. */
  bios: 0xe0000,
  biosSegment: 0xf0000,
  oneMebibyte: 0x100000,
  pciHole: PCI_HOLE_GPA,
  pciHoleEnd: 0xfec00000,
  ioApic: 0xfec00000,
  hpet: 0xfed00000,
  generationId: 0xfed80000,
  localApic: 0xfee00000,
  fourGibibytes: 0x100000000,
} as const;

/** Bytes that the register page of an APIC takes. */
export const APIC_PAGE_BYTES = 0x1000;

/** I/O ports: first port and number of ports. Ports 0x61 and 0xCF9 lie inside the ranges of other chips. */
export const PC_PORTS = {
  picMaster: [0x20, 2],
  pit: [0x40, 4],
  keyboardController: [0x60, 5],
  keyboardData: [0x60, 1],
  portB: [0x61, 1],
  keyboardCommand: [0x64, 1],
  rtc: [0x70, 4],
  vga: [0x3b0, 48],
  /** VMware's backdoor. */
  vmport: [0x5658, 4],
  dispiIndex: [0x1ce, 2],
  dispiData: [0x1cf, 2],
  post: [0x80, 1],
  systemControl: [0x92, 1],
  picSlave: [0xa0, 2],
  coprocessorError: [0xf0, 1],
  debug: [0xe9, 1],
  dmaBytes: [0x00, 16],
  dmaPages: [0x80, 16],
  dmaWords: [0xc0, 32],
  uart2: [0x2f8, 8],
  parallel: [0x378, 3],
  floppy: [0x3f0, 6],
  floppyChange: [0x3f7, 1],
  uart1: [0x3f8, 8],
  /** Where firmware writes its messages; SeaBIOS and OVMF look for it. */
  firmwareDebug: [0x402, 1],
  elcr: [0x4d0, 2],
  pvpanic: [0x505, 1],
  fwCfg: [0x510, 12],
  powerManagement: [0x600, 64],
  resetControl: [0xcf9, 1],
  pciConfig: [0xcf8, 8],
} as const;

/** The IDE channels: their ports and ISA interrupts. */
export const PC_IDE = [
  { commandBlock: [0x1f0, 8], controlBlock: [0x3f6, 1], irq: 14 },
  { commandBlock: [0x170, 8], controlBlock: [0x376, 1], irq: 15 },
] as const;

/** ISA interrupts. */
export const PC_IRQ = {
  timer: 0,
  keyboard: 1,
  uart2: 3,
  uart1: 4,
  floppy: 6,
  parallel: 7,
  rtc: 8,
  sci: 9,
  mouse: 12,
  coprocessor: 13,
} as const;

/** The ISA interrupt behind each of PIRQA# to PIRQD#, as firmware steers them. */
export const PC_PIRQ = [10, 10, 11, 11] as const;

/** Which of PIRQA# to PIRQD# (0 to 3) an interrupt pin (0 for INTA#) of a slot is wired to. */
export function pirqOf(slot: number, pin: number): number {
  return (slot - 1 + pin) & 3;
}

/** The ISA DMA channel of the floppy controller. */
export const PC_FLOPPY_DMA = 2;

/** The Sound Blaster 16: its place, and the bits of its set-up registers that say so. */
export const PC_SB16 = {
  port: 0x220,
  irq: 5,
  dmaBytes: 1,
  dmaWords: 5,
  jumpers: { interruptSetup: 0x02, dmaSetup: 0x22 },
} as const;

/** PCI slots and functions of the board's own chips. */
export const PC_SLOT = {
  hostBridge: [0, 0],
  isaBridge: [1, 0],
  ide: [1, 1],
  powerManagement: [1, 3],
  display: [2, 0],
} as const;

/** PCI slots of cards, by kind, in the order in which they are filled. */
export const PC_CARD_SLOTS = {
  network: [3, 4, 5, 6],
  ahci: [7],
  virtioDisk: [8, 9, 10, 11, 12, 13, 14, 15],
  share: [16, 17, 18, 19],
  scsi: [20],
  channels: [21],
  nvme: [22, 23, 25, 26],
  sound: [24],
  balloon: [27],
  tablet: [28],
  entropy: [29],
  vsock: [30],
} as const;

/** Interrupt inputs of the I/O APIC: ISA interrupts keep their number, but for the timer. */
export const IOAPIC_TIMER_PIN = 2;

/** I/O APIC inputs that the timers of the HPET can be routed to, a bit each: 20 to 23, as in Intel's I/O hubs. */
export const HPET_ROUTES = 0x00f0_0000;

/** PIC input that the second PIC is cascaded to; no interrupt of its own. */
export const PIC_CASCADE_INPUT = 2;

/** Processors that a machine can have: the I/O APIC's identity, of four bits, follows theirs. */
export const MOST_CPUS = 15;
