export {
  MOST_CARDS,
  type NicModel,
  type PcChannel,
  type PcNetwork,
  type PcShare,
  type PcVsock,
} from '../boards/cards.ts';
export { MOST_IDE_DISKS, type PcDrive } from '../boards/drives.ts';
export type { BootMedium, FirmwareBoot } from '../boards/firmware-boot.ts';
export { FirmwareInvalid } from '../boards/firmware-rom.ts';
export { BootImageInvalid } from '../boards/loaders/index.ts';
export { openDisk } from '../disk/open.ts';
export type { AudioSink, ByteChannel, CharPort, FrameReceiver, NetPort } from '../machine/interfaces.ts';
export { nullPort } from '../net/null-port.ts';
export type { BootFile } from './boot-file.ts';
export { type HandlerStore, type HostTime, MEMORY_LIMITS, type SoundModel, type VmConfig } from './config.ts';
export type { PictureFormat, VmConsole } from './console.ts';
export type { ShutdownReason, VmControl, VmEvent, VmStats, VmStatus } from './control.ts';
export { QmpSession, type QmpTarget } from './qmp.ts';
export type { VmBalloon } from './qmp-balloon.ts';
export type { OpenMedium, VmDrives } from './qmp-block.ts';
export {
  deflateCodec,
  type SnapshotCodec,
  SnapshotInvalid,
  type SnapshotSink,
  type SnapshotSource,
} from './snapshot/format.ts';
export { MemorySink, MemorySource } from './snapshot/in-memory.ts';
export { SnapshotFile } from './snapshot/reader.ts';
export {
  configurationIn,
  type SavedConfiguration,
  type SavedDrive,
  type SnapshotOptions,
} from './snapshot/saved-machine.ts';
export type { Count, VmStatistics } from './statistics.ts';
export { type Shutdown, Vm } from './vm.ts';
