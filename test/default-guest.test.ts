import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { projectRoot } from './source-files.ts';

const launcher = join(projectRoot, 'bin/vitrine');
const LIMIT_SECONDS = 280;
const PROMPT = 'vitrine:/root# ';

const skip = spawnSync('apt-get', ['--version']).error !== undefined && 'no apt-get on this host';

describe('vitrine run without arguments', { skip }, () => {
  it('boots Linux to a prompt, runs what is typed, and ends with status 0 at poweroff', async () => {
    const child = spawn(process.execPath, [launcher, 'run', '--timeout', `${LIMIT_SECONDS}`]);
    const complaints = text(child.stderr);
    let shown = '';
    child.stdout.on('data', (chunk) => {
      if (!shown.includes(PROMPT) && `${shown}${chunk}`.includes(PROMPT)) {
        child.stdin.write('echo the answer is $((6 * 7)); uname -m; poweroff\n');
      }
      shown += chunk;
    });
    const [status] = await once(child, 'close');
    assert.equal(status, 0, `${await complaints}${shown.slice(-2000)}`);
    assert.equal(await complaints, '');
    assert.match(shown, /the answer is 42\r\nx86_64\r\n/);
    assert.match(shown, /reboot: Power down/);
  });
});
