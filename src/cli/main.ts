import { runProcess } from './process.ts';

/** Settles only if something is wrong: the process ends before. */
export const running = runProcess({
  async run(image, options) {
    const { run } = await import('./run.ts');
    return run(image, options);
  },
  async image(args) {
    const { image } = await import('./image/program.ts');
    return image(args);
  },
  async named(args) {
    const { named } = await import('./named/program.ts');
    return named(args);
  },
});
