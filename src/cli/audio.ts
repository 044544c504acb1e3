import { WavFile } from '../host/node/wav-file.ts';
import { WebAudio } from '../host/node/web-audio.ts';
import type { AudioSink } from '../vm/index.ts';
import type { OutsideEnding } from './endings.ts';
import { CliError, STATUS } from './errors.ts';
import { type AudioTarget, quote } from './values.ts';

/** A sink that holds something of the host. */
export interface HostAudio extends AudioSink {
  close(): void;
}

/** Opens what gets the guest's sound; the machine ends when it can no longer be written.
 * @throws {CliError} it cannot be made */
export function openAudioTarget(target: AudioTarget, outside: OutsideEnding): HostAudio {
  return target.kind === 'web' ? new WebAudio() : openWavFile(target.path, outside);
}

function openWavFile(path: string, outside: OutsideEnding): WavFile {
  const says = (error: Error) => `--audio: found ${quote(path)}, ${error.message}, expected a file to write`;
  try {
    return new WavFile(path, (error) => outside.end({ status: STATUS.failed, message: says(error) }));
  } catch (error) {
    throw new CliError(STATUS.failed, says(error as Error), { cause: error });
  }
}
