import { mapChain } from '../../disk/chain.ts';
import { type Comparison, compareDisks } from '../../disk/compare.ts';
import type { CheckReport, Repair } from '../../disk/interfaces.ts';
import { openDriver } from '../../disk/open.ts';
import { nodeDiskHost } from '../../host/node/disk-host.ts';
import { CliError } from '../errors.ts';
import { type OutputOptions, say, sayJson, wantsJson, withProgress } from './output.ts';

/** Exit statuses of `check` and `compare`, as qemu-img has them. */
const CHECK_STATUS = { ok: 0, failed: 1, corrupt: 2, leaks: 3, unsupported: 63 } as const;
const COMPARE_STATUS = { identical: 0, different: 1 } as const;

/** What `check` is told besides the file. */
export interface CheckOptions extends OutputOptions {
  readonly format?: string;
  readonly repair?: string;
  readonly forceShare?: boolean;
}

/** `vitrine image check`. */
export async function check(file: string, options: CheckOptions): Promise<number> {
  const repair: Repair = options.repair === 'all' || options.repair === 'leaks' ? options.repair : 'none';
  const open = {
    format: options.format,
    readOnly: repair === 'none',
    shared: options.forceShare,
    withoutBacking: true,
    forRepair: true,
  };
  const driver = await openDriver(file, open, nodeDiskHost);
  try {
    if (driver.check === undefined)
      throw new CliError(CHECK_STATUS.unsupported, 'This image format does not support checks');
    const first = await driver.check(repair);
    const fixed = first.corruptionsFixed + first.leaksFixed > 0;
    const report = fixed ? { ...(await driver.check('none')), ...repairsOf(first) } : first;
    if (wantsJson(options)) sayJson(reportJson(file, driver.format, report));
    else if (!options.quiet) tell(first, report, fixed);
    if (report.checkErrors > 0) return CHECK_STATUS.failed;
    if (report.corruptions > 0) return CHECK_STATUS.corrupt;
    return report.leaks > 0 ? CHECK_STATUS.leaks : CHECK_STATUS.ok;
  } finally {
    await driver.close();
  }
}

function repairsOf({ corruptionsFixed, leaksFixed }: CheckReport) {
  return { corruptionsFixed, leaksFixed };
}

function tell(first: CheckReport, report: CheckReport, fixed: boolean): void {
  for (const message of first.messages) process.stderr.write(`${message}\n`);
  if (fixed) {
    say('The following inconsistencies were found and repaired:\n');
    say(`    ${first.leaksFixed} leaked clusters\n    ${first.corruptionsFixed} corruptions\n`);
    say('Double checking the fixed image now...');
  }
  if (report.corruptions + report.leaks + report.checkErrors === 0) say('No errors were found on the image.');
  if (report.corruptions > 0) {
    say(`\n${report.corruptions} errors were found on the image.`);
    say('Data may be corrupted, or further writes to the image may corrupt it.');
  }
  if (report.leaks > 0) {
    say(`\n${report.leaks} leaked clusters were found on the image.`);
    say('This means waste of disk space, but no harm to data.');
  }
  const { totalClusters, allocatedClusters, fragmentedClusters, compressedClusters, imageEndOffset } = report;
  if (allocatedClusters > 0) {
    const percent = (part: number, whole: number) => `${((part * 100) / whole).toFixed(2)}%`;
    const parts = `${percent(fragmentedClusters, allocatedClusters)} fragmented, ${percent(compressedClusters, allocatedClusters)} compressed clusters`;
    say(`${allocatedClusters}/${totalClusters} = ${percent(allocatedClusters, totalClusters)} allocated, ${parts}`);
  }
  say(`Image end offset: ${imageEndOffset}`);
}

function reportJson(filename: string, format: string, report: CheckReport) {
  const unlessZero = (count: number) => count || undefined;
  return {
    'image-end-offset': report.imageEndOffset,
    'total-clusters': report.totalClusters,
    'check-errors': report.checkErrors,
    corruptions: unlessZero(report.corruptions),
    leaks: unlessZero(report.leaks),
    'corruptions-fixed': unlessZero(report.corruptionsFixed),
    'leaks-fixed': unlessZero(report.leaksFixed),
    'allocated-clusters': unlessZero(report.allocatedClusters),
    'fragmented-clusters': unlessZero(report.fragmentedClusters),
    'compressed-clusters': unlessZero(report.compressedClusters),
    filename,
    format,
  };
}

/** What `compare` is told besides the files. */
export interface CompareOptions extends OutputOptions {
  readonly format?: string;
  readonly secondFormat?: string;
  readonly strict?: boolean;
  readonly progress?: boolean;
  readonly forceShare?: boolean;
}

/** `vitrine image compare`. */
export async function compare(first: string, second: string, options: CompareOptions): Promise<number> {
  const open = (name: string, format?: string) =>
    openDriver(name, { format, readOnly: true, shared: options.forceShare }, nodeDiskHost);
  const a = await open(first, options.format);
  try {
    const b = await open(second, options.secondFormat);
    try {
      const found = await withProgress('comparing', options.progress, (progress) => compareDisks(a, b, progress));
      return tellComparison(found, options);
    } finally {
      await b.close();
    }
  } finally {
    await a.close();
  }
}

function tellComparison(found: Comparison, options: CompareOptions): number {
  const { differsAt, sameSize, sameCommonPart } = found;
  const different = differsAt !== undefined || (options.strict === true && !sameSize);
  if (wantsJson(options)) sayJson({ identical: !different, 'same-size': sameSize, offset: differsAt });
  else if (options.strict && !sameSize) sayUnlessQuiet(options, 'Strict mode: Image size mismatch!');
  else {
    if (!sameSize && sameCommonPart) sayUnlessQuiet(options, 'Warning: Image size mismatch!');
    const result = differsAt === undefined ? 'Images are identical.' : `Content mismatch at offset ${differsAt}!`;
    sayUnlessQuiet(options, result);
  }
  return different ? COMPARE_STATUS.different : COMPARE_STATUS.identical;
}

function sayUnlessQuiet({ quiet }: OutputOptions, text: string): void {
  if (!quiet) say(text);
}

/** What `map` is told besides the file. */
export interface MapOptions extends OutputOptions {
  readonly format?: string;
  readonly forceShare?: boolean;
}

/** `vitrine image map`: where the file has what the disk holds. */
export async function map(file: string, options: MapOptions): Promise<number> {
  const driver = await openDriver(
    file,
    { format: options.format, readOnly: true, shared: options.forceShare },
    nodeDiskHost,
  );
  const names = await fileNames(file, options.forceShare);
  try {
    const entries: object[] = [];
    const json = wantsJson(options);
    if (!json) say('Offset          Length          Mapped to       File');
    for await (const { offset, length, depth, extent } of mapChain(driver)) {
      const data = extent.kind === 'data';
      if (json) {
        const present = extent.kind !== 'absent';
        entries.push({ start: offset, length, depth, present, zero: !data, data, offset: extent.fileOffset });
      } else if (data) tellExtent(offset, length, extent, names[depth] ?? file);
    }
    if (json) say(`[${entries.map((entry) => JSON.stringify(entry)).join(',\n')}]`);
    return 0;
  } finally {
    await driver.close();
  }
}

function tellExtent(offset: number, length: number, extent: { fileOffset?: number }, name: string): void {
  if (extent.fileOffset === undefined)
    throw new CliError(1, 'File contains external, encrypted or compressed clusters.');
  const hex = (value: number) => (value === 0 ? '0' : `0x${value.toString(16)}`).padEnd(16);
  say(`${hex(offset)}${hex(length)}${hex(extent.fileOffset)}${name}`);
}

/** The files of a chain, the image's own first. */
async function fileNames(file: string, shared: boolean | undefined): Promise<string[]> {
  const names: string[] = [];
  for (let name: string | undefined = file, format: string | undefined; name !== undefined; ) {
    names.push(name);
    const driver = await openDriver(name, { format, readOnly: true, shared, withoutBacking: true }, nodeDiskHost);
    const { backing }: { backing?: { name: string; format?: string } } = driver.facts;
    await driver.close();
    format = backing?.format;
    name = backing && nodeDiskHost.files.resolve(name, backing.name);
  }
  return names;
}
