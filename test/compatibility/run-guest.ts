import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DrivenMachine } from './driven-machine.ts';
import { consoleGlyphs } from './glyphs.ts';
import { type Firmware, GUESTS } from './guests.ts';
import { seabios, type Workshop } from './media.ts';
import { type GuestResult, resultName } from './results.ts';
import { takeSteps } from './steps.ts';

/** Runs one guest and leaves `NAME-FIRMWARE.json`, `.png`, `.txt` (the screen) and `.log` (the serial line) in a folder. */
async function runGuest(name: string, firmware: Firmware, results: string, patience: number): Promise<GuestResult> {
  const start = Date.now();
  const guest = GUESTS.find((candidate) => candidate.name === name);
  if (!guest) throw new RangeError(`there is no guest ${name}`);
  const about = { guest: name, firmware };
  const path = (suffix: string) => join(results, `${resultName(name, firmware)}.${suffix}`);
  const workshop: Workshop = { folder: await mkdtemp(join(tmpdir(), 'vitrine-guest-')) };
  const seconds = () => Math.round((Date.now() - start) / 1000);
  try {
    const args = await guest.machine(workshop).catch((error: Error) => error.message);
    if (typeof args === 'string') return { ...about, outcome: 'skipped', reason: args, seconds: seconds() };
    const bios = firmware === 'seabios' ? ['--firmware', await seabios(workshop)] : [];
    const machine = await DrivenMachine.start([...args, ...bios], await consoleGlyphs());
    let picture: Uint8Array | undefined;
    const reason = await takeSteps(machine, guest.steps, patience, async () => {
      picture = await machine.screenshot();
    });
    await writeFile(path('png'), reason === undefined && picture ? picture : await machine.screenshot());
    await writeFile(path('txt'), machine.screenText());
    await writeFile(path('log'), machine.serial.output);
    return { ...about, outcome: reason === undefined ? 'works' : 'fails', reason, seconds: seconds() };
  } finally {
    await rm(workshop.folder, { recursive: true });
  }
}

const [name, firmware, results, patience] = process.argv.slice(2);
await mkdir(results, { recursive: true });
const result = await runGuest(name, firmware as Firmware, results, Number(patience)).catch(
  (error: Error): GuestResult => ({
    guest: name,
    firmware: firmware as Firmware,
    outcome: 'fails',
    reason: error.message,
    seconds: 0,
  }),
);
await writeFile(join(results, `${resultName(name, firmware as Firmware)}.json`), JSON.stringify(result));
process.exit(0);
