import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourcesOf } from './debian-sources.ts';

const TARGETS = `http://mirror.example/debian/ bookworm main Debian
http://mirror.example/debian/ bookworm non-free-firmware Debian
http://mirror.example/debian/ bookworm-updates main $(ORIGIN)
http://mirror.example/debian/ bookworm-backports main Debian Backports
http://mirror.example/security/ bookworm-security main Debian
http://mirror.example/security/ bookworm-security main Debian
http://other.example/linux/ bookworm stable Other
http://other.example/apt/ bookworm main Other
`;

test("a release comes from the mirrors of the host's own, and from nobody else", () => {
  assert.deepEqual(sourcesOf(TARGETS, 'bookworm', 'bookworm'), [
    'deb http://mirror.example/debian/ bookworm main',
    'deb http://mirror.example/debian/ bookworm non-free-firmware',
    'deb http://mirror.example/debian/ bookworm-updates main',
    'deb http://mirror.example/security/ bookworm-security main',
  ]);
});

test('another release comes from the same mirrors, signed by the same keys', () => {
  const [first, , , last] = sourcesOf(TARGETS, 'trixie', 'bookworm', '/keys.gpg');
  assert.equal(first, 'deb [signed-by=/keys.gpg] http://mirror.example/debian/ trixie main');
  assert.equal(last, 'deb [signed-by=/keys.gpg] http://mirror.example/security/ trixie-security main');
});
