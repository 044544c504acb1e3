import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { BROADCAST, testFrame } from '../machine/test-net.case.ts';
import type { NetPort } from '../vm/index.ts';
import { joinRemoteSwitch, serveSwitch } from './remote-switch.ts';
import { joinSwitch } from './switch-member.ts';

const ORIGIN = 'https://pages.example';

/** Sends until the frame arrives: who has joined is seen when the host's events say so. */
async function reaches(from: NetPort, to: NetPort, frame: Uint8Array): Promise<Uint8Array> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array>();
  to.onFrame((arrived) => arrived.length >= 80 && resolve(arrived));
  const timer = setInterval(() => from.send(frame), 5);
  return promise.finally(() => clearInterval(timer));
}

/** What answers a WebSocket's request: 101, or a refusal's status. */
function statusOf(url: string, headers: Record<string, string>): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const socket = new WebSocket(url, { headers });
  socket.on('open', () => {
    resolve(101);
    socket.close();
  });
  socket.on('error', (error) => resolve(Number(/Unexpected server response: (\d+)/.exec(error.message)?.[1])));
  return promise;
}

test('others join a switch by WebSocket, in the VLAN they are given', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-remote-'));
  const path = join(folder, 'switch');
  const member = await joinSwitch(path);
  const server = await serveSwitch(path, { vlan: 10 }, { origins: [ORIGIN] });
  const url = server.url.replace('http', 'ws');
  const remotes = [await joinRemoteSwitch(url), await joinRemoteSwitch(url)];
  t.after(() => {
    for (const port of [...remotes, member]) port.close();
    server.close();
    rmSync(folder, { recursive: true });
  });
  const frame = testFrame(BROADCAST, 80);
  assert.equal((await reaches(remotes[0], remotes[1], frame)).length, 80);
  const tagged = await reaches(remotes[0], member, frame);
  assert.deepEqual([...tagged.subarray(12, 16)], [0x81, 0, 0, 10]);
  assert.equal((await reaches(member, remotes[1], tagged)).length, 80);
});

test('who does not know the token, and a page of elsewhere, cannot join', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-remote-'));
  const path = join(folder, 'switch');
  const server = await serveSwitch(path, {}, { token: 'a-token-of-a-test', origins: [ORIGIN] });
  t.after(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  const url = server.url.replace('http', 'ws');
  assert.match(url, /^ws:\/\/127\.0\.0\.1:\d+\/a-token-of-a-test\/$/);
  assert.equal(await statusOf(url, {}), 101);
  assert.equal(await statusOf(url, { Origin: ORIGIN }), 101);
  assert.equal(await statusOf(url, { Origin: 'https://elsewhere.example' }), 403);
  assert.equal(await statusOf(url, { Host: 'rebound.example' }), 403);
  assert.equal(await statusOf(url.replace('test', 'lest'), {}), 403);
  await assert.rejects(joinRemoteSwitch(url.replace('test', 'lest')), /the token is wrong/);
});

test('who listens on all addresses is reached by them, and not by names of others', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-remote-'));
  const server = await serveSwitch(join(folder, 'switch'), {}, { host: '0.0.0.0' });
  t.after(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  const url = server.url.replace('http', 'ws').replace('0.0.0.0', '127.0.0.1');
  const [, port] = /:(\d+)\//.exec(url) ?? [];
  assert.equal(await statusOf(url, {}), 101);
  assert.equal(await statusOf(url, { Host: `192.0.2.7:${port}` }), 101);
  assert.equal(await statusOf(url, { Host: `rebound.example:${port}` }), 403);
  assert.equal(await statusOf(url, { Host: `192.0.2.7:${port}`, Origin: 'http://192.0.2.8:80' }), 403);
});
