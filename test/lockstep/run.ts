/**
 * Boots Debian's Linux on both engines side by side and compares them wherever a translated region is left:
 * `npm run lockstep -- --instructions 500000000`. Ends with status 1 at the first difference.
 */
import { scriptOptions } from '../script-options.ts';
import { bootingLinux } from './linux.ts';
import { Difference, type InjectedError, LockStep } from './lock-step.ts';

const STEP = 25_000_000;

const values = scriptOptions(
  {
    command: 'npm run lockstep',
    about: 'compares both engines while Linux boots',
    example: '--instructions 50000000 --hot-after 20',
  },
  {
    instructions: { value: 'N', about: 'how far to go', default: '500000000' },
    architecture: { value: 'NAME', about: 'amd64 or i386', default: 'amd64' },
    'hot-after': { value: 'N', about: 'entries after which code is translated; 0: at first sight', default: '1000' },
    inject: {
      value: 'COUNT[:NAME]',
      about: 'turn a bit over then, of rbx, xmm0, "x87 register 0", flags or memory: the run must end there',
    },
  } as const,
);
await main();

async function main(): Promise<void> {
  const instructions = Number(values.instructions);
  const guest = await bootingLinux(values.architecture === 'i386' ? 'i386' : 'amd64');
  const machines = new LockStep(guest, Number(values['hot-after']), injected(values.inject));
  const from = performance.now();
  try {
    for (let at = 0; at < instructions; at += STEP) {
      machines.runTo(Math.min(instructions, at + STEP));
      console.log(progress(machines, performance.now() - from));
    }
  } catch (error) {
    if (!(error instanceof Difference)) throw error;
    console.log(`DIFFERENT ${error.message}`);
    process.exitCode = 1;
    return;
  }
  if (machines.translating.stateHash() !== machines.interpreting.stateHash()) {
    console.log('DIFFERENT the states of the chips');
    process.exitCode = 1;
    return;
  }
  console.log(`no difference in ${instructions} instructions, ${machines.exits} exits of regions`);
}

function progress({ translating, exits }: LockStep, millis: number): string {
  const regions = translating.vcpu.engine.translator?.stats.regions ?? 0;
  const seconds = (millis / 1000).toFixed(0);
  return `${translating.vcpu.retired / 1e6} million instructions, ${exits} exits, ${regions} regions, ${seconds} s`;
}

function injected(text: string | undefined): InjectedError | undefined {
  if (text === undefined) return undefined;
  const [count, where = 'rbx'] = text.split(':');
  return { at: Number(count), where };
}
