import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { FileWindow } from '../../../disk/archive/file-window.ts';
import { TAR_END, TAR_HEADER_BYTES, tarHeader, tarMemberBytes } from '../../../disk/archive/tar.ts';
import { copyDisk } from '../../../disk/copy.ts';
import type { ImageDriver, ImageFile } from '../../../disk/interfaces.ts';
import { openDriver } from '../../../disk/open.ts';
import { openStreamWriter } from '../../../disk/vmdk/vmdk.ts';
import { nodeDiskHost } from '../../../host/node/disk-host.ts';
import { MEMORY_LIMITS, MOST_CPUS } from '../../../vm/config.ts';
import { DISK_BUSES } from '../../drive-options.ts';
import { CliError, STATUS } from '../../errors.ts';
import { MODELS } from '../../net-options.ts';
import { formatSize, parseInteger, parseSize, parseWord, quote } from '../../values.ts';
import { withProgress } from '../output.ts';
import type { Appliance, ApplianceDisk } from './appliance.ts';
import { digestOf } from './package.ts';
import { writeOvf } from './write-ovf.ts';

const DIGEST_CHARACTERS = 64;
const MOST_NAME_CHARACTERS = 60;

/** What `export` is told besides the files. */
export interface ExportOptions {
  readonly format?: string;
  readonly disk?: readonly string[];
  readonly name?: string;
  readonly memory?: string;
  readonly cpus?: string;
  readonly bus?: string;
  /** Models of network cards, with commas between, or `none`. */
  readonly net?: string;
  readonly uefi?: boolean;
  readonly progress?: boolean;
}

/** A file of the archive and where it goes. */
interface Member {
  readonly name: string;
  readonly offset: number;
  readonly sizeBytes: number;
}

/** `vitrine image export`: packs disks and what the machine is like into an OVA. Its beginning is written last, since a
 * descriptor with digests stands before the disks. */
export async function exportAppliance(disk: string, target: string, options: ExportOptions): Promise<number> {
  const sources: ImageDriver[] = [];
  try {
    for (const path of [disk, ...(options.disk ?? [])]) {
      sources.push(await openDriver(path, { format: options.format, readOnly: true }, nodeDiskHost));
    }
    const appliance = applianceOf(target, sources, options);
    const file = await nodeDiskHost.files.create(target);
    try {
      await file.truncate(0);
      await writeArchive(file, appliance, sources, options);
      await file.flush();
    } catch (error) {
      await rm(target, { force: true });
      throw error;
    } finally {
      await file.close();
    }
  } finally {
    for (const source of sources) await source.close();
  }
  return 0;
}

function applianceOf(target: string, sources: readonly ImageDriver[], options: ExportOptions): Appliance {
  const name = options.name ?? basename(target).replace(/\.ova$/i, '');
  if (!/^[\w][\w.-]*$/.test(name) || name.length > MOST_NAME_CHARACTERS) {
    const expected = `at most ${MOST_NAME_CHARACTERS} letters, digits, dots and hyphens`;
    throw new CliError(STATUS.failed, `--name: found ${quote(name)}, expected ${expected}`);
  }
  const { memory = '512M' } = options;
  const memoryBytes = parseSize('--memory', memory);
  const { minBytes, maxBytes } = MEMORY_LIMITS;
  if (memoryBytes < minBytes || memoryBytes > maxBytes) {
    const expected = `${formatSize(minBytes)} to ${formatSize(maxBytes)}`;
    throw new CliError(STATUS.failed, `--memory: found ${quote(memory)}, expected ${expected}`);
  }
  const bus = parseWord('--bus', options.bus ?? 'ide', DISK_BUSES);
  const cards = options.net === 'none' ? [] : (options.net ?? 'e1000').split(',');
  return {
    name,
    cpuCount: Math.max(1, Number(parseInteger('--cpus', options.cpus ?? '1', BigInt(MOST_CPUS)))),
    memoryBytes,
    disks: sources.map(({ sizeBytes }, i) => ({ fileName: `${name}-disk${i + 1}.vmdk`, sizeBytes, bus })),
    cards: cards.map((model) => parseWord('--net', model, MODELS)),
    needsUefi: options.uefi ?? false,
  };
}

async function writeArchive(
  file: ImageFile,
  appliance: Appliance,
  sources: readonly ImageDriver[],
  { progress }: ExportOptions,
): Promise<void> {
  const { name, disks } = appliance;
  const manifestOf = (digests: readonly string[]) =>
    [`${name}.ovf`, ...disks.map(({ fileName }) => fileName)]
      .map((member, i) => `SHA256(${member})= ${digests[i] ?? '0'.repeat(DIGEST_CHARACTERS)}\n`)
      .join('');
  const descriptor: Member = { name: `${name}.ovf`, offset: 0, sizeBytes: bytesOf(writeOvf(appliance)).length };
  const manifest = memberBehind(descriptor, `${name}.mf`, manifestOf([]).length);
  const members: Member[] = [descriptor, manifest];
  const written: ApplianceDisk[] = [];
  const digests: string[] = [];
  for (const [i, disk] of disks.entries()) {
    const member = memberBehind(members[members.length - 1], disk.fileName, 0);
    const window = new FileWindow(file, disk.fileName, member.offset + TAR_HEADER_BYTES);
    await withProgress(disk.fileName, progress, (tell) => writeDisk(window, sources[i], tell));
    digests.push(await digestOf(window, 'SHA256'));
    members.push({ ...member, sizeBytes: window.sizeBytes });
    written.push({ ...disk, fileBytes: window.sizeBytes });
  }
  const text = bytesOf(writeOvf({ ...appliance, disks: written }));
  const digest = createHash('sha256').update(text).digest('hex');
  await file.write(TAR_HEADER_BYTES, text);
  await file.write(manifest.offset + TAR_HEADER_BYTES, bytesOf(manifestOf([digest, ...digests])));
  await writeHeaders(file, members);
}

function memberBehind(before: Member, name: string, sizeBytes: number): Member {
  return { name, offset: before.offset + tarMemberBytes(before.sizeBytes), sizeBytes };
}

async function writeDisk(file: ImageFile, source: ImageDriver, progress: (fraction: number) => void): Promise<void> {
  const target = await openStreamWriter(file, source.sizeBytes, nodeDiskHost);
  try {
    await copyDisk(source, target, { compress: true, targetIsZero: true, progress });
  } finally {
    await target.close();
  }
}

async function writeHeaders(file: ImageFile, members: readonly Member[]): Promise<void> {
  const seconds = Math.floor(nodeDiskHost.nowMillis() / 1000);
  for (const { name, offset, sizeBytes } of members) await file.write(offset, tarHeader(name, sizeBytes, seconds));
  const end = memberBehind(members[members.length - 1], '', 0).offset;
  await file.write(end, TAR_END);
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
