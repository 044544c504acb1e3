import type { BootMedium } from '../firmware-boot.ts';
import { BDA, EBDA, EBDA_GPA } from './bda.ts';
import type { Caller } from './caller.ts';
import { addDrive, allDrives, DRIVE, type Drive, FIRST_CD, FIRST_DISK } from './disk/drives.ts';
import { bootRecordCatalog, type ElToritoEntry, readEntry } from './el-torito.ts';
import { bootstrapEntry } from './option-roms.ts';
import { print } from './print.ts';

/** What INT 19h does next, in AL. */
const ACTION = { none: 0, readSector: 1, jump: 2, ask: 3, readPacket: 4, wait: 5, call: 6 } as const;
const PHASE = { choose: 0, sector: 1, descriptor: 2, catalog: 3, image: 4, go: 5, call: 6 } as const;

/** Fields of the boot's record in the extended BIOS data area: offset and bytes. */
const FIELD = {
  index: [0, 1],
  phase: [1, 1],
  drive: [2, 1],
  /** 1: the boot menu has been asked for and shown, or its time is over */
  menuDone: [3, 1],
  /** media in their order, one a nibble; 15 ends them */
  order: [4, 4],
  lba: [8, 4],
  left: [12, 2],
  segment: [14, 2],
  loadSegment: [16, 2],
  deadline: [20, 4],
} as const satisfies Record<string, readonly [number, 1 | 2 | 4]>;

const MEDIA: readonly BootMedium[] = ['floppy', 'disk', 'cd', 'net'];
const MEDIUM_NAMES: Readonly<Record<BootMedium, string>> = {
  floppy: 'Floppy',
  disk: 'Hard Disk',
  cd: 'DVD/CD',
  net: 'Network',
};
const END_OF_ORDER = 0x0f;
const BOOT_GPA = 0x7c00;
const BOOT_SEGMENT = 0x07c0;
const SIGNATURE_OFFSET = 0x1fe;
const SIGNATURE = 0xaa55;
const DESCRIPTOR_LBA = 17;
const CD_BLOCK_BYTES = 2048;
const BLOCKS_AT_ONCE = 16;
const KEY_F12 = 0x8600;
const KEY_ESCAPE = 0x011b;
const TICK_MILLIS = 55;

/** What the machine's owner wants of the boot. */
export interface BootWishes {
  readonly order: readonly BootMedium[];
  readonly menuMillis: number | undefined;
}

class Boot {
  readonly c: Caller;
  constructor(c: Caller) {
    this.c = c;
  }

  get(name: keyof typeof FIELD): number {
    const [offset, bytes] = FIELD[name];
    return this.c.load(EBDA_GPA + EBDA.boot + offset, bytes);
  }
  set(name: keyof typeof FIELD, value: number): void {
    const [offset, bytes] = FIELD[name];
    this.c.store(EBDA_GPA + EBDA.boot + offset, bytes, value);
  }

  /** Media that are left to try. */
  get medium(): BootMedium | undefined {
    return MEDIA[(this.get('order') >>> (this.get('index') * 4)) & END_OF_ORDER];
  }

  setOrder(media: readonly BootMedium[]): void {
    const nibbles = [...media.map((medium) => MEDIA.indexOf(medium)), END_OF_ORDER];
    this.set('order', nibbles.reduce((order, nibble, i) => order | (nibble << (i * 4)), 0) >>> 0);
    this.set('index', 0);
    this.set('phase', PHASE.choose);
  }
}

/** INT 19h begins: the order of media is set. */
export function bootBegin(c: Caller, { order, menuMillis }: BootWishes): void {
  const boot = new Boot(c);
  boot.setOrder(order);
  boot.set('menuDone', 0);
  boot.set('deadline', c.load(BDA.ticks, 4) + Math.ceil((menuMillis ?? 0) / TICK_MILLIS));
  if (menuMillis !== undefined) print(c, 'Press F12 for the boot menu.\r\n');
}

/** Says in AL what is to be done next. */
export function bootNext(c: Caller): void {
  const boot = new Boot(c);
  if (boot.get('menuDone') === 0) {
    const action = lookForMenuKey(c, boot);
    if (action !== undefined) {
      c.al = action;
      return;
    }
  }
  while (boot.get('phase') === PHASE.choose) {
    if (!chooseMedium(c, boot)) {
      c.al = ACTION.none;
      return;
    }
  }
  c.al = actionOf(c, boot);
}

function actionOf(c: Caller, boot: Boot): number {
  switch (boot.get('phase')) {
    case PHASE.sector:
      c.dl = boot.get('drive');
      return ACTION.readSector;
    case PHASE.descriptor:
      return readBlocks(c, boot, DESCRIPTOR_LBA, 1, 0);
    case PHASE.catalog:
      return readBlocks(c, boot, boot.get('lba'), 1, 0);
    case PHASE.call:
      return ACTION.call;
    case PHASE.image:
      return readBlocks(c, boot, boot.get('lba'), Math.min(boot.get('left'), BLOCKS_AT_ONCE), boot.get('segment'));
    default:
      return ACTION.jump;
  }
}

/** A key pressed in time opens the menu. */
function lookForMenuKey(c: Caller, boot: Boot): number | undefined {
  const isPressed = takeMenuKey(c);
  if (!isPressed && c.load(BDA.ticks, 4) < boot.get('deadline')) return ACTION.wait;
  boot.set('menuDone', 1);
  if (!isPressed) return undefined;
  const choices = choicesOf(c);
  print(c, '\r\nSelect boot device:\r\n\r\n');
  choices.forEach((medium, i) => {
    print(c, `${i + 1}. ${MEDIUM_NAMES[medium]}\r\n`);
  });
  return ACTION.ask;
}

function takeMenuKey(c: Caller): boolean {
  const head = c.load(BDA.keyHead, 2);
  if (head === c.load(BDA.keyTail, 2)) return false;
  const key = c.load(0x400 + head, 2);
  if (key !== KEY_F12 && key !== KEY_ESCAPE) return false;
  c.store(BDA.keyHead, 2, c.load(BDA.keyTail, 2));
  return true;
}

function choicesOf(c: Caller): BootMedium[] {
  return MEDIA.filter((medium) => (medium === 'net' ? bootstrapEntry(c) : driveFor(c, medium)) !== undefined);
}

/** The menu's key is in AX. */
export function bootChoice(c: Caller): void {
  const medium = choicesOf(c)[c.al - 0x31];
  const boot = new Boot(c);
  if (medium) boot.setOrder([medium]);
  print(c, '\r\n');
}

function driveFor(c: Caller, medium: BootMedium): Drive | undefined {
  const first = { floppy: 0, disk: FIRST_DISK, cd: FIRST_CD, net: undefined }[medium];
  return allDrives(c).find(({ number, kind }) => number === first && kind !== DRIVE.emulated);
}

/** Begins with the next medium of the order. @returns false where none is left */
function chooseMedium(c: Caller, boot: Boot): boolean {
  const { medium } = boot;
  if (medium === undefined) return false;
  if (medium === 'net') return chooseNetwork(c, boot);
  const drive = driveFor(c, medium);
  if (!drive) {
    boot.set('index', boot.get('index') + 1);
    return true;
  }
  print(c, `Booting from ${MEDIUM_NAMES[medium]}...\r\n`);
  boot.set('drive', drive.number);
  boot.set('loadSegment', BOOT_SEGMENT);
  boot.set('phase', medium === 'cd' ? PHASE.descriptor : PHASE.sector);
  return true;
}

/** An option ROM boots by itself. */
function chooseNetwork(c: Caller, boot: Boot): boolean {
  const entry = bootstrapEntry(c);
  if (entry === undefined) {
    boot.set('index', boot.get('index') + 1);
    return true;
  }
  print(c, `Booting from ${MEDIUM_NAMES.net}...\r\n`);
  c.store(BDA.resumeVector, 4, entry);
  boot.set('phase', PHASE.call);
  return true;
}

/** An option ROM that was to boot has come back: the next medium is tried. */
export function bootReturned(c: Caller): void {
  const boot = new Boot(c);
  boot.set('index', boot.get('index') + 1);
  boot.set('phase', PHASE.choose);
}

function readBlocks(c: Caller, boot: Boot, lba: number, count: number, segment: number): number {
  const at = EBDA_GPA + EBDA.packet;
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 16, true);
  view.setUint16(2, count, true);
  view.setUint16(4, segment === 0 ? BOOT_GPA : 0, true);
  view.setUint16(6, segment, true);
  view.setUint32(8, lba, true);
  c.storeBytes(at, bytes);
  c.si = EBDA.packet;
  c.dl = boot.get('drive');
  return ACTION.readPacket;
}

/** What was read last lies at 7C00h or where an image goes; carry: it could not be read. */
export function bootRead(c: Caller): void {
  const boot = new Boot(c);
  const phase = boot.get('phase');
  const complaint = c.carryNow ? 'could not read the boot disk' : READERS[phase]?.(c, boot);
  if (complaint === undefined) return;
  print(c, `Boot failed: ${complaint}\r\n\r\n`);
  boot.set('index', boot.get('index') + 1);
  boot.set('phase', PHASE.choose);
}

/** By phase: what is made of the data, or what is wrong with it. */
const READERS: Readonly<Record<number, (c: Caller, boot: Boot) => string | undefined>> = {
  [PHASE.sector]: (c, boot) => {
    if (c.load(BOOT_GPA + SIGNATURE_OFFSET, 2) !== SIGNATURE) return 'not a bootable disk';
    boot.set('phase', PHASE.go);
    return undefined;
  },
  [PHASE.descriptor]: (c, boot) => {
    const catalog = bootRecordCatalog(c.loadBytes(BOOT_GPA, CD_BLOCK_BYTES));
    if (catalog === undefined) return 'the CD is not bootable';
    boot.set('lba', catalog);
    boot.set('phase', PHASE.catalog);
    return undefined;
  },
  [PHASE.catalog]: (c, boot) => {
    const entry = readEntry(c.loadBytes(BOOT_GPA, CD_BLOCK_BYTES));
    if (!entry) return 'the boot catalog of the CD has no bootable entry';
    return beginImage(c, boot, entry);
  },
  [PHASE.image]: (_, boot) => {
    const count = Math.min(boot.get('left'), BLOCKS_AT_ONCE);
    boot.set('left', boot.get('left') - count);
    boot.set('lba', boot.get('lba') + count);
    boot.set('segment', boot.get('segment') + count * (CD_BLOCK_BYTES / 16));
    if (boot.get('left') === 0) boot.set('phase', PHASE.go);
    return undefined;
  },
};

function beginImage(c: Caller, boot: Boot, entry: ElToritoEntry): string | undefined {
  const { geometry, lba, loadSegment, blocks } = entry;
  boot.set('loadSegment', loadSegment);
  if (geometry === undefined) {
    boot.set('lba', lba);
    boot.set('left', Math.ceil(blocks / 4));
    boot.set('segment', loadSegment);
    boot.set('phase', PHASE.image);
    return undefined;
  }
  const cd = driveFor(c, 'cd');
  if (!cd) return 'the CD is gone';
  const number = geometry.isDisk ? FIRST_DISK : 0;
  addDrive(c, { ...cd, ...geometry, number, kind: DRIVE.emulated, sectorBytes: 512, imageStart: lba * 4 });
  boot.set('drive', number);
  boot.set('phase', PHASE.sector);
  return undefined;
}

/** The boot sector or image is ready: registers are set and its address is where INT 19h jumps. */
export function bootGo(c: Caller): void {
  const boot = new Boot(c);
  const segment = boot.get('loadSegment');
  c.store(BDA.resumeVector, 4, segment === BOOT_SEGMENT ? BOOT_GPA : segment << 16);
  c.dx = boot.get('drive');
  c.ax = SIGNATURE;
  c.bx = 0;
  c.cx = 0;
}

/** INT 18h: nothing could be booted. */
export function noBoot(c: Caller): void {
  print(c, 'No bootable device.\r\nInsert one and press a key.\r\n');
}
