// Starts the guest of vitrine-guest.ts as bin/vitrine starts the program: from modules that are kept as V8 has compiled them.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { cacheFolder } from '../src/host/node/cache-folder.ts';

const { runFromCache } = createRequire(import.meta.url)('../bin/module-cache.js');
const url = (path: string) => new URL(path, import.meta.url).href;
await runFromCache(url('vitrine-guest.ts'), url('../'), join(cacheFolder(), 'compiled'), 'bench').running;
