// Measures Vitrine beside its peers: the same kernel, the same initial file system, one guest after the other.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BootOrder, nowMillis } from './boot.ts';
import { drawChart } from './chart.ts';
import { findKernel } from './kernels.ts';
import { firstLine, MACHINES, type Machine, runGuest } from './machines.ts';
import { type GuestRun, measure } from './measure.ts';
import { type BenchOptions, HELP, parseOptions } from './options.ts';
import { comparisonsOf, formatReport, type WidthReport } from './report.ts';
import type { Comparison, MachineRuns } from './speeds.ts';
import { type Bits, buildWorkload, type Workload } from './workload.ts';

const RESULTS = fileURLToPath(new URL('results/', import.meta.url));

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) {
    console.log(HELP);
    return;
  }
  const started = new Date().toISOString();
  const load = loadavg()[0];
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-bench-'));
  const reports: WidthReport[] = [];
  try {
    for (const bits of options.widths) {
      const report = await measureWidth(options, bits, folder);
      reports.push(report);
      console.log(`\n${formatReport(report)}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  const { scale, runs, memoryBytes } = options;
  const comparisons = reports.map((report) => ({ bits: report.bits, with: comparisonsOf(report).map(plain) }));
  const host = { ...describeHost(), load };
  if (!options.save) return;
  save(started, options.partial, { started, host, scale, runs, memoryBytes, comparisons, widths: reports }, reports);
}

async function measureWidth(options: BenchOptions, bits: Bits, folder: string): Promise<WidthReport> {
  const workload = await buildWorkload({ ...options, bits });
  const kernel = await findKernel(bits, options.kernels[bits], folder);
  const initrd = join(folder, `initrd${bits}`);
  writeFileSync(initrd, workload.initrd);
  const rows = [...workload.native.keys()].join(' ');
  const commandLine = `console=ttyS0 quiet -- ${options.scale} ${rows}`;
  const order = { kernel: kernel.path, initrd, commandLine, memoryBytes: options.memoryBytes };
  const machines: MachineRuns[] = [];
  for (const name of options.machines) {
    const found = await measureMachine(name, order, workload, options);
    if (found !== undefined) machines.push(found);
  }
  return { bits, kernel: kernel.version, native: Object.fromEntries(workload.native), machines };
}

async function measureMachine(
  name: string,
  order: BootOrder,
  workload: Workload,
  options: BenchOptions,
): Promise<MachineRuns | undefined> {
  const machine = MACHINES[name];
  if (!machine?.widths.includes(workload.bits)) return undefined;
  const version = versionOf(machine);
  if (version === undefined) return undefined;
  const runs: GuestRun[] = [];
  for (let run = 1; run <= options.runs; run++) {
    console.error(`${machine.name}, ${workload.bits}-bit guest, run ${run} of ${options.runs}`);
    const start = nowMillis();
    runs.push(measure(await runGuest(machine, order, workload.bits, options.timeoutSeconds), start, workload));
  }
  return { machine: machine.name, version, runs };
}

function versionOf(machine: Machine): string | undefined {
  try {
    return machine.version();
  } catch (error) {
    console.error(`${machine.name} is left out: ${(error as Error).message}`);
    return undefined;
  }
}

function describeHost() {
  return {
    processor: cpus()[0]?.model,
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    node: process.version,
    gcc: firstLine('gcc', ['--version']),
  };
}

/** A comparison as JSON has it. */
function plain({ rows, ...rest }: Comparison) {
  return { ...rest, rows: Object.fromEntries(rows) };
}

function save(started: string, partial: boolean, results: object, reports: readonly WidthReport[]): void {
  mkdirSync(RESULTS, { recursive: true });
  const name = join(RESULTS, `${started.slice(0, 19).replaceAll(':', '')}Z${partial ? '-partial' : ''}`);
  const write = (file: string, text: string) => {
    writeFileSync(file, text);
    console.error(`written: ${file}`);
  };
  write(`${name}.json`, `${JSON.stringify(results, null, 2)}\n`);
  for (const report of reports) {
    const comparisons = comparisonsOf(report);
    const title = `${report.machines[0]?.machine}, ${report.bits}-bit guest, ${started.slice(0, 10)}`;
    if (comparisons.length > 0) write(`${name}-${report.bits}.svg`, drawChart(title, comparisons));
  }
}

await main().catch((error: Error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
});
