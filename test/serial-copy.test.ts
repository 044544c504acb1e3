import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { loadDefaultGuest } from '../src/cli/default-guest.ts';
import { VitrineProgram } from './guests/agent-guest.ts';

const BYTES = 200_000;
const NAME = 'line';

it('a guest without an agent is sent files and sends them back by its serial line', { timeout: 600_000 }, async (t) => {
  const reason = await loadDefaultGuest('').then(
    () => undefined,
    (error: Error) => error.message,
  );
  if (reason !== undefined) return t.skip(reason);
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-serial-copy-'));
  const vitrine = new VitrineProgram(folder);
  const machine = vitrine.start(['run', '--name', NAME, '--memory', '128M', '--net', 'none', '--serial', 'none']);
  t.after(() => {
    machine.kill();
    rmSync(folder, { recursive: true });
  });
  const [file, back] = [join(folder, 'file'), join(folder, 'back')];
  const content = randomBytes(BYTES);
  writeFileSync(file, content);
  const succeed = async (...args: string[]) => {
    const began = performance.now();
    const { status, stdout, stderr } = await vitrine.run(args);
    assert.equal(status, 0, stderr);
    t.diagnostic(`${args[0]}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
    return stdout.toString();
  };
  assert.equal(await succeed('exec', '--serial', '--wait', '300', '-n', NAME, 'uname'), 'Linux\n');
  await succeed('cp', '--serial', file, `${NAME}:/tmp/there`);
  await succeed('cp', '--serial', `${NAME}:/tmp/there`, back);
  assert.deepEqual(readFileSync(back), content);
});
