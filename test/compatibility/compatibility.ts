import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot } from '../source-files.ts';
import { type Firmware, GUESTS, type Guest } from './guests.ts';
import { type GuestResult, resultName } from './results.ts';
import { writeTable } from './table.ts';

const HELP = `npm run guests [-- OPTIONS]: boots every guest and writes docs/compatibility.md.

  --guest NAME       only this one; may be repeated. The table keeps the rows of the others
  --firmware NAME    only builtin, seabios or own
  --results FOLDER   where screenshots, texts and outcomes go (default test-results/guests)
  --patience N       how many times longer than on an idle host a guest may take (default 2)
  --no-table         do not write docs/compatibility.md
`;

/** Runs one guest in a process of its own and reads what became of it. */
async function play(guest: Guest, firmware: Firmware, folder: string, patience: string): Promise<GuestResult> {
  const path = join(folder, `${resultName(guest.name, firmware)}.json`);
  await rm(path, { force: true });
  const script = join(projectRoot, 'test/compatibility/run-guest.ts');
  const child = spawn(process.execPath, [script, guest.name, firmware, folder, patience], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  await once(child, 'exit');
  const text = await readFile(path, 'utf8').catch(() => undefined);
  const lost = { guest: guest.name, firmware, outcome: 'fails', reason: 'the process ended', seconds: 0 } as const;
  return text === undefined ? lost : (JSON.parse(text) as GuestResult);
}

const { values } = parseArgs({
  options: {
    guest: { type: 'string', multiple: true },
    firmware: { type: 'string' },
    results: { type: 'string', default: join(projectRoot, 'test-results/guests') },
    patience: { type: 'string', default: '2' },
    'no-table': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) process.stdout.write(HELP);
else {
  await mkdir(values.results, { recursive: true });
  const wanted = GUESTS.filter(({ name }) => values.guest?.includes(name) ?? true);
  const results: GuestResult[] = [];
  for (const guest of wanted) {
    for (const firmware of guest.firmware) {
      if (values.firmware !== undefined && values.firmware !== firmware) continue;
      const result = await play(guest, firmware, values.results, values.patience);
      results.push(result);
      const { outcome, reason = '', seconds } = result;
      process.stdout.write(`${outcome} ${guest.name} (${firmware}), ${seconds} s ${reason}\n`);
    }
  }
  await writeFile(join(values.results, 'summary.json'), `${JSON.stringify(results, undefined, 2)}\n`);
  if (!values['no-table']) await writeTable(values.results, results);
  process.exitCode = results.some(({ outcome }) => outcome === 'fails') ? 1 : 0;
}
