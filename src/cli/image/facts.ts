import type { FactValue, ImageDriver, SnapshotFacts } from '../../disk/interfaces.ts';
import { openDriver } from '../../disk/open.ts';
import { nodeDiskHost } from '../../host/node/disk-host.ts';
import { allocatedBytes } from '../../host/node/image-files.ts';
import { humanSize, type OutputOptions, say, sayJson, wantsJson } from './output.ts';

/** What `info` is told besides the file. */
export interface InfoOptions extends OutputOptions {
  readonly format?: string;
  readonly backingChain?: boolean;
  readonly forceShare?: boolean;
}

type Json = Readonly<Record<string, unknown>>;

/** `vitrine image info`. */
export async function info(file: string, options: InfoOptions): Promise<number> {
  const found: { readonly text: string; readonly json: Json }[] = [];
  let next: { name: string; format?: string } | undefined = { name: file, format: options.format };
  while (next !== undefined) {
    const { name, format }: { name: string; format?: string } = next;
    const open = { format, readOnly: true, shared: options.forceShare, withoutBacking: true };
    const driver = await openDriver(name, open, nodeDiskHost);
    const stored = await allocatedBytes(name);
    await driver.close();
    found.push({ text: describe(name, driver, stored), json: describeJson(name, driver, stored) });
    const { backing } = driver.facts;
    const deeper = options.backingChain && backing !== undefined;
    next = deeper ? { name: nodeDiskHost.files.resolve(name, backing.name), format: backing.format } : undefined;
  }
  if (wantsJson(options)) sayJson(options.backingChain ? found.map(({ json }) => json) : found[0]?.json);
  else say(found.map(({ text }) => text).join('\n\n'));
  return 0;
}

function describe(name: string, driver: ImageDriver, stored: number): string {
  const { clusterBytes, backing, snapshots = [], specific, dirty } = driver.facts;
  const sizeBytes = Math.ceil(driver.sizeBytes / 512) * 512;
  const lines = [
    `image: ${name}`,
    `file format: ${driver.format}`,
    `virtual size: ${humanSize(sizeBytes)} (${sizeBytes} bytes)`,
    `disk size: ${humanSize(stored)}`,
  ];
  if (dirty) lines.push('cleanly shut down: no');
  if (clusterBytes !== undefined) lines.push(`cluster_size: ${clusterBytes}`);
  if (backing !== undefined) lines.push(...describeBacking(name, backing));
  if (snapshots.length > 0) lines.push(...snapshotTable(snapshots));
  if (specific !== undefined) lines.push('Format specific information:', ...describeFacts(specific, 1));
  return lines.join('\n');
}

function describeBacking(image: string, backing: { name: string; format?: string }): string[] {
  const actual = nodeDiskHost.files.resolve(image, backing.name);
  const where = actual === backing.name || !image.includes('/') ? '' : ` (actual path: ${actual})`;
  const format = backing.format === undefined ? [] : [`backing file format: ${backing.format}`];
  return [`backing file: ${backing.name}${where}`, ...format];
}

function describeFacts(facts: Readonly<Record<string, FactValue | undefined>>, depth: number): string[] {
  const indent = '    '.repeat(depth);
  return Object.entries(facts).flatMap(([key, value]) => {
    const name = key.replaceAll('-', ' ');
    if (Array.isArray(value)) {
      const items = value.flatMap((item: FactValue, i) => [`${indent}    [${i}]:${asItem(item, depth + 2)}`]);
      return [`${indent}${name}:`, ...items];
    }
    return value === undefined ? [] : [`${indent}${name}: ${String(value)}`];
  });
}

function asItem(item: FactValue, depth: number): string {
  if (typeof item !== 'object') return ` ${String(item)}`;
  return `\n${describeFacts(item as Readonly<Record<string, FactValue>>, depth).join('\n')}`;
}

function describeJson(name: string, driver: ImageDriver, stored: number): Json {
  const { clusterBytes, backing, snapshots = [], specific, dirty, corrupt, compressed } = driver.facts;
  return {
    'virtual-size': Math.ceil(driver.sizeBytes / 512) * 512,
    filename: name,
    format: driver.format,
    'actual-size': stored,
    'cluster-size': clusterBytes,
    ...(specific && { 'format-specific': { type: driver.format, data: specific } }),
    ...(backing && {
      'backing-filename': backing.name,
      'full-backing-filename': nodeDiskHost.files.resolve(name, backing.name),
      'backing-filename-format': backing.format,
    }),
    ...(snapshots.length > 0 && { snapshots: snapshots.map(snapshotJson) }),
    'dirty-flag': dirty ?? false,
    ...(corrupt && { corrupt }),
    ...(compressed && { compressed }),
  };
}

/** A snapshot for programs. */
export function snapshotJson(snapshot: SnapshotFacts): Json {
  const clock = snapshot.vmClockNanos;
  return {
    id: snapshot.id,
    name: snapshot.name,
    'vm-state-size': snapshot.vmStateBytes,
    'date-sec': snapshot.dateSeconds,
    'date-nsec': snapshot.dateNanos,
    'vm-clock-sec': Number(clock / 1_000_000_000n),
    'vm-clock-nsec': Number(clock % 1_000_000_000n),
    icount: snapshot.icount === undefined ? undefined : Number(snapshot.icount),
  };
}

/** The lines of `snapshot -l`. */
export function snapshotTable(snapshots: readonly SnapshotFacts[]): string[] {
  const row = (id: string, tag: string, size: string, date: string, clock: string, icount: string) =>
    `${id.padEnd(10)}${tag.padEnd(17)} ${size.padStart(7)} ${date.padStart(19)} ${clock.padStart(12)} ${icount.padStart(10)}`;
  const rows = snapshots.map(({ id, name, vmStateBytes, dateSeconds, vmClockNanos, icount }) =>
    row(id, name, humanSize(vmStateBytes), localTime(dateSeconds), clockTime(vmClockNanos), `${icount ?? ''}`),
  );
  return ['Snapshot list:', row('ID', 'TAG', 'VM SIZE', 'DATE', 'VM CLOCK', 'ICOUNT'), ...rows];
}

const two = (value: number) => `${value}`.padStart(2, '0');

function localTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`;
}

function clockTime(nanos: bigint): string {
  const millis = Number(nanos / 1_000_000n);
  const [hours, minutes, seconds] = [
    Math.floor(millis / 3_600_000),
    Math.floor(millis / 60_000) % 60,
    Math.floor(millis / 1000) % 60,
  ];
  return `${[hours, minutes, seconds].map(two).join(':')}.${`${millis % 1000}`.padStart(3, '0')}`;
}
