import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { loadDefaultGuest } from '../src/cli/default-guest.ts';
import { encryptDes } from '../src/display/rfb/des.ts';
import { projectRoot } from './source-files.ts';

const TIMEOUT_MILLIS = 120_000;
const POLL_MILLIS = 1_000;
const FIRST_DISPLAY_PORT = 5900;
/** Bytes of a JPEG of 720×400 on which text stands; a black one is far smaller. */
const LEAST_JPEG_BYTES = 12_000;
/** The key that passwords in files are encrypted with, the same for all of VNC's programs. */
const FILE_KEY = Uint8Array.of(0xe8, 0x4a, 0xd6, 0x60, 0xc4, 0x72, 0x1a, 0xe0);

const hasProgram = spawnSync('vncsnapshot', ['-help']).error === undefined;
const guest = await loadDefaultGuest('').catch(() => undefined);

function reasonToSkip(): string | false {
  if (!hasProgram) return 'there is no vncsnapshot on this host';
  return guest === undefined && 'no guest can be made of Debian packages on this host';
}

/** A password as VNC's programs keep it in a file. */
function encryptedPassword(password: string): Uint8Array {
  return encryptDes(FILE_KEY, Buffer.alloc(8, 0).fill(password, 0, password.length));
}

/** A port that nobody listens on, as VNC's programs number displays. */
async function freeDisplay(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port - FIRST_DISPLAY_PORT;
}

describe('--display vnc', { skip: reasonToSkip() }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-vnc-'));
  const [picture, password, encrypted] = ['screen.jpg', 'password', 'encrypted'].map((name) => join(folder, name));
  let machine: ChildProcess;
  let display = 0;

  const snapshot = (passwordFile: string) =>
    spawnSync('vncsnapshot', ['-passwd', passwordFile, `127.0.0.1:${display}`, picture], { timeout: 20_000 });

  before(async () => {
    writeFileSync(password, 'secret\n');
    display = await freeDisplay();
    const target = `vnc:127.0.0.1:${display + FIRST_DISPLAY_PORT},password-file=${password}`;
    machine = spawn(process.execPath, [join(projectRoot, 'bin/vitrine'), 'run', '--display', target], {
      stdio: 'ignore',
    });
  });

  after(async () => {
    machine.kill();
    await once(machine, 'exit');
    rmSync(folder, { recursive: true });
  });

  it("lets vncsnapshot take the guest's text screen", async () => {
    writeFileSync(encrypted, encryptedPassword('secret'));
    for (const deadline = Date.now() + TIMEOUT_MILLIS; Date.now() < deadline; await delay(POLL_MILLIS)) {
      if (snapshot(encrypted).status !== 0) continue;
      if (readFileSync(picture).length >= LEAST_JPEG_BYTES) break;
    }
    const jpeg = readFileSync(picture);
    const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
    assert.deepEqual([jpeg.readUInt16BE(frame + 7), jpeg.readUInt16BE(frame + 5)], [720, 400]);
    assert.ok(jpeg.length >= LEAST_JPEG_BYTES, `${jpeg.length} bytes`);
  });

  it('refuses a wrong password', () => {
    writeFileSync(encrypted, encryptedPassword('guessed'));
    rmSync(picture, { force: true });
    assert.notEqual(snapshot(encrypted).status, 0);
  });
});
