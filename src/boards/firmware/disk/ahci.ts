import { EBDA, EBDA_GPA } from '../bda.ts';
import type { Caller } from '../caller.ts';
import { readConfig } from '../pci-bios.ts';
import type { DmaController, DmaPiece } from './dma.ts';
import type { Drive } from './drives.ts';
import { OPERATION } from './request.ts';

/** Class of an AHCI controller, and the register with the place of its index and data pair (Serial ATA AHCI 1.3.1 section 10.14). */
export const AHCI_CLASS = 0x010601;
const PAIR_BAR = 0x20;
const PAIR_INDEX = 0x10;
const PAIR_DATA = 0x14;
const PORT_MASK = 0xfffc;

/** Registers of the HBA and, behind {@link portBase}, of a port (sections 3.1 and 3.3). */
const HBA = { ghc: 0x04, pi: 0x0c } as const;
const PORT = { clb: 0x00, clbu: 0x04, fb: 0x08, fbu: 0x0c, is: 0x10, cmd: 0x18, tfd: 0x20 } as const;
const PORT_STATUS = { sig: 0x24, ssts: 0x28, ci: 0x38 } as const;
const GHC_AHCI = 0x80000000;
const CMD_ST = 0x01;
const CMD_FRE = 0x10;
const IS_ALL = 0xffffffff;
const TFD_ERROR = 0x01;
const SSTS_DET = 0x0f;
const DET_PRESENT = 3;
const SIGNATURE_ATA = 0x0101;
const MOST_PORTS = 32;

/** Structures in memory (sections 4.2.2 and 4.2.3): one command, of one region. */
const LIST_GPA = EBDA_GPA + EBDA.ahciList;
const FIS_GPA = EBDA_GPA + EBDA.ahciFis;
const TABLE_GPA = EBDA_GPA + EBDA.ahciTable;
const REGION_OFFSET = 0x80;
const FIS_DWORDS = 5;
const HEADER_WRITE = 0x40;
const HEADER_ONE_REGION = 1 << 16;
const FIS_COMMAND = 0x8027;
const LBA = 0x40;
const BLOCK_BYTES = 512;
const IDENTIFY_DEVICE = 0xec;
const READ_DMA_EXT = 0x25;
const WRITE_DMA_EXT = 0x35;

function portBase(port: number): number {
  return 0x100 + port * 0x80;
}

function pairOf(c: Caller, place: number): number {
  return readConfig(c, place, PAIR_BAR, 4) & PORT_MASK;
}

function read(c: Caller, place: number, register: number): number {
  const pair = pairOf(c, place);
  c.out(pair + PAIR_INDEX, register, 4);
  return c.in(pair + PAIR_DATA, 4);
}

function write(c: Caller, place: number, register: number, value: number): void {
  const pair = pairOf(c, place);
  c.out(pair + PAIR_INDEX, register, 4);
  c.out(pair + PAIR_DATA, value, 4);
}

/** The ports of a controller that have a disk. @param place of its function */
export function ahciDisks(c: Caller, place: number): number[] {
  write(c, place, HBA.ghc, GHC_AHCI);
  const implemented = read(c, place, HBA.pi);
  return Array.from({ length: MOST_PORTS }, (_, port) => port).filter((port) => {
    if (!((implemented >>> port) & 1)) return false;
    const isPresent = (read(c, place, portBase(port) + PORT_STATUS.ssts) & SSTS_DET) === DET_PRESENT;
    return isPresent && read(c, place, portBase(port) + PORT_STATUS.sig) === SIGNATURE_ATA;
  });
}

/** Asks a disk what it is: 512 bytes at `gpa`. */
export function beginIdentify(c: Caller, drive: Pick<Drive, 'place' | 'unit'>, gpa: number): void {
  begin(c, drive, { command: IDENTIFY_DEVICE, lba: 0, blocks: 1, gpa });
}

/** Disks behind AHCI, by way of ports alone, so that it works whatever maps memory. */
export const AHCI_DISK: DmaController = {
  begin(c, drive, { operation, lba, blocks, gpa }: DmaPiece) {
    begin(c, drive, { command: operation === OPERATION.write ? WRITE_DMA_EXT : READ_DMA_EXT, lba, blocks, gpa });
  },
  poll: pollAhci,
};

/** How the command ended that was begun last, undefined while it has not. */
export function pollAhci(c: Caller, { place, unit }: Pick<Drive, 'place' | 'unit'>): 'done' | 'failed' | undefined {
  const base = portBase(unit);
  if (read(c, place, base + PORT.tfd) & TFD_ERROR) return 'failed';
  return read(c, place, base + PORT_STATUS.ci) & 1 ? undefined : 'done';
}

interface Command extends Omit<DmaPiece, 'operation'> {
  readonly command: number;
}

/** Whoever used the port before, it is set up anew: commands that wait are forgotten, and an error too. */
function begin(c: Caller, { place, unit }: Pick<Drive, 'place' | 'unit'>, command: Command): void {
  const base = portBase(unit);
  write(c, place, base + PORT.cmd, 0);
  for (const [register, value] of [
    [PORT.clb, LIST_GPA],
    [PORT.clbu, 0],
    [PORT.fb, FIS_GPA],
    [PORT.fbu, 0],
    [PORT.is, IS_ALL],
  ] as const)
    write(c, place, base + register, value);
  describe(c, command);
  write(c, place, base + PORT.cmd, CMD_FRE);
  write(c, place, base + PORT.cmd, CMD_FRE | CMD_ST);
  write(c, place, base + PORT_STATUS.ci, 1);
}

/** Command header, command FIS and region. */
function describe(c: Caller, { command, lba, blocks, gpa }: Command): void {
  const isWrite = command === WRITE_DMA_EXT;
  const header = FIS_DWORDS | (isWrite ? HEADER_WRITE : 0) | HEADER_ONE_REGION;
  const [low, high] = [lba % 0x1000000, Math.floor(lba / 0x1000000)];
  const words = [
    [LIST_GPA, header],
    [LIST_GPA + 4, 0],
    [LIST_GPA + 8, TABLE_GPA],
    [LIST_GPA + 12, 0],
    [TABLE_GPA, (FIS_COMMAND | (command << 16)) >>> 0],
    [TABLE_GPA + 4, (low | (LBA << 24)) >>> 0],
    [TABLE_GPA + 8, high],
    [TABLE_GPA + 12, blocks],
    [TABLE_GPA + 16, 0],
    [TABLE_GPA + REGION_OFFSET, gpa],
    [TABLE_GPA + REGION_OFFSET + 4, 0],
    [TABLE_GPA + REGION_OFFSET + 8, 0],
    [TABLE_GPA + REGION_OFFSET + 12, blocks * BLOCK_BYTES - 1],
  ] as const;
  for (const [at, value] of words) c.store(at, 4, value);
}
