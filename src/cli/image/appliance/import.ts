import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { copyDisk } from '../../../disk/copy.ts';
import { creatableFormat, createTarget } from '../../../disk/create.ts';
import { type DiskHost, ImageInvalid } from '../../../disk/interfaces.ts';
import { openDriver } from '../../../disk/open.ts';
import { nodeDiskHost } from '../../../host/node/disk-host.ts';
import { CliError, STATUS } from '../../errors.ts';
import { shellQuote } from '../../shell-words.ts';
import { formatSize } from '../../values.ts';
import { say, sayJson, withProgress } from '../output.ts';
import type { Appliance, ApplianceDisk } from './appliance.ts';
import { AppliancePackage } from './package.ts';
import { readOvf } from './read-ovf.ts';

const PAGE_BYTES = 4096;
const DEFAULT_MEMORY_BYTES = 512 << 20;
const MOST_DISKS = 64;

/** What `import` is told besides the file. */
export interface ImportOptions {
  readonly outputFormat?: string;
  readonly folder?: string;
  readonly progress?: boolean;
  readonly json?: boolean;
}

/** `vitrine image import`: makes disks of an OVA, or of an OVF descriptor and what lies beside it, and says how to run them. */
export async function importAppliance(path: string, options: ImportOptions): Promise<number> {
  const format = creatableFormat(options.outputFormat ?? 'qcow2');
  const files = await AppliancePackage.open(path);
  try {
    const name = files.descriptorName;
    const appliance = readOvf(`${path}: ${name}`, await files.readText(name));
    if (appliance.disks.length > MOST_DISKS) throw new ImageInvalid(path, `it has more than ${MOST_DISKS} disks`);
    const all = [name, ...new Set(appliance.disks.map(({ fileName }) => fileName))];
    await withProgress('checking', options.progress, (progress) => files.verify(all, progress));
    const base = join(options.folder ?? '.', basename(path).replace(/\.ov[af]$/i, ''));
    const targets = appliance.disks.map((_, index) => `${base}-disk${index + 1}.${format}`);
    await makeDisks(files, appliance.disks, targets, format, options.progress);
    tell(appliance, targets, options);
  } finally {
    await files.close();
  }
  return 0;
}

/** Makes all disks, or none. */
async function makeDisks(
  files: AppliancePackage,
  disks: readonly ApplianceDisk[],
  targets: readonly string[],
  format: string,
  progress: boolean | undefined,
): Promise<void> {
  const made: string[] = [];
  try {
    for (const [index, disk] of disks.entries()) {
      const target = targets[index];
      await expectAbsent(target);
      made.push(target);
      await withProgress(basename(target), progress, (tell) => makeDisk(files, disk, target, format, tell));
    }
  } catch (error) {
    for (const target of made) await rm(target, { force: true });
    throw error;
  }
}

async function expectAbsent(target: string): Promise<void> {
  const there = await nodeDiskHost.files.open(target, { readOnly: true, shared: true }).catch(() => undefined);
  await there?.close();
  if (there) throw new CliError(STATUS.failed, `${target} is there already`);
}

async function makeDisk(
  files: AppliancePackage,
  { fileName, sizeBytes }: ApplianceDisk,
  target: string,
  format: string,
  progress: (fraction: number) => void,
): Promise<void> {
  const host: DiskHost = { ...nodeDiskHost, files: files.files };
  const source = await openDriver(fileName, { readOnly: true }, host);
  try {
    if (source.sizeBytes > sizeBytes) {
      const sizes = `${formatSize(source.sizeBytes)}, and ${formatSize(sizeBytes)} in the descriptor`;
      throw new ImageInvalid(fileName, `its disk has ${sizes}`);
    }
    const copy = await createTarget(target, { format, sizeBytes: source.sizeBytes }, nodeDiskHost);
    try {
      await copyDisk(source, copy, { targetIsZero: true, progress });
    } finally {
      await copy.close();
    }
  } finally {
    await source.close();
  }
}

function tell(appliance: Appliance, targets: readonly string[], { json = false }: ImportOptions): void {
  const run = runLine(appliance, targets);
  if (json) sayJson({ name: appliance.name, disks: targets, needsUefi: appliance.needsUefi, run });
  else say(run);
  if (appliance.needsUefi) process.stderr.write('vitrine: it starts by UEFI: add --firmware and --firmware-vars\n');
}

/** The command that runs an appliance. */
function runLine({ disks, cards, cpuCount, memoryBytes }: Appliance, targets: readonly string[]): string {
  const memory = Math.ceil((memoryBytes || DEFAULT_MEMORY_BYTES) / PAGE_BYTES) * PAGE_BYTES;
  const words = ['vitrine run', `--memory ${memory % 2 ** 20 ? `${memory / 1024}k` : `${memory / 2 ** 20}M`}`];
  if (cpuCount > 1) words.push(`--cpus ${cpuCount}`);
  for (const [i, { bus }] of disks.entries()) words.push(`--disk ${quoted(targets[i])},bus=${bus}`);
  if (cards.length === 0) words.push('--net none');
  for (const model of cards) words.push(`--net user,model=${model}`);
  return words.join(' ');
}

/** A file's name for the option and for the shell: commas are written twice. */
function quoted(path: string): string {
  const text = path.replaceAll(',', ',,');
  return /^[\w./+=:,-]+$/.test(text) ? text : shellQuote(text);
}
