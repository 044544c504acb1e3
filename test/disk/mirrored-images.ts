import { randomNumbers } from '../../src/disk/block-device.case.ts';
import { createImage } from '../../src/disk/create.ts';
import { openDisk } from '../../src/disk/open.ts';
import { nodeDiskHost } from '../../src/host/node/disk-host.ts';
import { runTool, tool } from './qemu.ts';

/** A kind of image that both implementations make and change. */
export interface MirroredKind {
  readonly name: string;
  readonly format: string;
  /** As `qemu-img create -o` takes them. */
  readonly options: Readonly<Record<string, string>>;
  /** Whether its size can be changed, and whether it has snapshots inside. */
  readonly resizes?: boolean;
  readonly snapshots?: boolean;
}

const QCOW2 = { format: 'qcow2', resizes: true, snapshots: true } as const;

/** Every kind. */
export const MIRRORED_KINDS: readonly MirroredKind[] = [
  { name: 'raw', format: 'raw', options: {}, resizes: true },
  { name: 'qcow2', ...QCOW2, options: {} },
  { name: 'qcow2 version 2', ...QCOW2, options: { compat: '0.10' } },
  { name: 'qcow2 with small clusters', ...QCOW2, options: { cluster_size: '512', refcount_bits: '8' } },
  { name: 'qcow2 with lazy refcounts', ...QCOW2, options: { lazy_refcounts: 'on', cluster_size: '4096' } },
  { name: 'vdi', format: 'vdi', options: {} },
  { name: 'vmdk', format: 'vmdk', options: {} },
  { name: 'flat vmdk', format: 'vmdk', options: { subformat: 'monolithicFlat' } },
  { name: 'vhdx', format: 'vhdx', options: { block_size: '1M' } },
  { name: 'vhd', format: 'vpc', options: { force_size: 'on' } },
];

/** A request: bytes from `offset` on. */
interface Request {
  readonly kind: 'write' | 'zero' | 'discard';
  readonly offset: number;
  readonly length: number;
  readonly byte: number;
}

const SIZE = 6 << 20;
const ROUNDS = 3;
const REQUESTS = 16;
const SECTOR = 512;

/** Does one random sequence with an image of ours, by us, and with one of QEMU's, by QEMU's tools.
 * @param path where the images go, with something added  @throws {Error} they differ, or one is damaged */
export async function mirrorSequence(kind: MirroredKind, seed: number, path: string): Promise<void> {
  const [ours, theirs] = [`${path}.ours.${kind.format}`, `${path}.theirs.${kind.format}`];
  const below = randomNumbers(seed);
  await createImage(ours, { format: kind.format, sizeBytes: SIZE, options: kind.options }, nodeDiskHost);
  const options = Object.entries(kind.options).map(([name, value]) => `${name}=${value}`);
  const withOptions = options.length === 0 ? [] : ['-o', options.join()];
  tool('qemu-img', 'create', '-q', '-f', kind.format, ...withOptions, theirs, `${SIZE}`);
  let sizeBytes = SIZE;
  for (let round = 0; round < ROUNDS; round++) {
    const requests = Array.from({ length: REQUESTS }, () => randomRequest(below, sizeBytes));
    await changeOurs(ours, kind.format, requests);
    changeTheirs(theirs, kind.format, requests);
    if (kind.resizes && below(3) === 0) sizeBytes = await resize(ours, theirs, kind, sizeBytes, below);
    const applies = below(2) === 0;
    if (kind.snapshots && below(2) === 0) for (const image of [ours, theirs]) snapshot(image, round, applies);
    compare(ours, theirs, kind.format);
  }
}

function randomRequest(below: (limit: number) => number, sizeBytes: number): Request {
  const sectors = sizeBytes / SECTOR;
  const count = 1 + below([8, 64, 600][below(3)] ?? 1);
  const first = below(Math.max(1, (below(2) ? sectors : 800) - count));
  const kind = (['write', 'write', 'write', 'zero', 'discard'] as const)[below(5)] ?? 'write';
  return { kind, offset: first * SECTOR, length: Math.min(count, sectors - first) * SECTOR, byte: 1 + below(255) };
}

async function changeOurs(path: string, format: string, requests: readonly Request[]): Promise<void> {
  const disk = await openDisk(path, { format }, nodeDiskHost);
  try {
    for (const { kind, offset, length, byte } of requests) {
      if (kind === 'write') await disk.write(offset, new Uint8Array(length).fill(byte));
      else {
        if (kind === 'discard') await disk.discard(offset, length);
        await disk.writeZeros(offset, length);
      }
    }
  } finally {
    await disk.close();
  }
}

/** What a discard leaves is for each to decide: zeros are written after it. */
function changeTheirs(path: string, format: string, requests: readonly Request[]): void {
  const commands = requests.flatMap(({ kind, offset, length, byte }) => {
    if (kind === 'write') return ['-c', `write -P ${byte} ${offset} ${length}`];
    const zeros = ['-c', `write -z ${offset} ${length}`];
    return kind === 'zero' ? zeros : ['-c', `discard ${offset} ${length}`, ...zeros];
  });
  tool('qemu-io', '-d', 'unmap', '-f', format, ...commands, path);
}

/** Data that QEMU 7.2 cuts off inside of a cluster comes back when the image grows again; zeros are written over them there. */
async function resize(
  ours: string,
  theirs: string,
  { format, options }: MirroredKind,
  sizeBytes: number,
  below: (limit: number) => number,
): Promise<number> {
  const now = Math.max(SECTOR * 2048, sizeBytes + (below(4096) - 1500) * SECTOR);
  const snapshots = runTool('qemu-img', ['snapshot', '-l', theirs]).output;
  const isRefused = now < sizeBytes || options.compat === '0.10';
  if (isRefused && snapshots !== '') return sizeBytes; // neither makes an image with snapshots smaller, or resizes an old one
  const disk = await openDisk(ours, { format }, nodeDiskHost);
  await disk.resize(now).finally(() => disk.close());
  tool('qemu-img', 'resize', '-q', '--shrink', '-f', format, theirs, `${now}`);
  if (now > sizeBytes) tool('qemu-io', '-f', format, '-c', `write -z ${sizeBytes} ${now - sizeBytes}`, theirs);
  return now;
}

/** QEMU takes a snapshot inside, and goes back to it after it has been written over, or forgets it. */
function snapshot(image: string, round: number, applies: boolean): void {
  const name = `s${round}`;
  tool('qemu-img', 'snapshot', '-c', name, image);
  tool('qemu-io', '-f', 'qcow2', '-c', `write -P 7 ${round * 65536} 300k`, image);
  tool('qemu-img', 'snapshot', applies ? '-a' : '-d', name, image);
}

function compare(ours: string, theirs: string, format: string): void {
  const sizeOf = (path: string) =>
    JSON.parse(tool('qemu-img', 'info', '-f', format, '--output=json', path))['virtual-size'];
  if (sizeOf(ours) !== sizeOf(theirs)) throw new Error(`${sizeOf(ours)} bytes here, ${sizeOf(theirs)} in QEMU`);
  tool('qemu-img', 'compare', '-f', format, '-F', format, ours, theirs);
  const { status, output, complaints } = runTool('qemu-img', ['check', '-f', format, ours]);
  if (status !== 0 && status !== 63) throw new Error(`qemu-img check ends with ${status}: ${output}${complaints}`);
}
