export type { BootMedium, FirmwareBoot } from '../boards/firmware-boot.ts';
export { FirmwareInvalid } from '../boards/firmware-rom.ts';
export { BootImageInvalid } from '../boards/loaders/index.ts';
export type { CharPort } from '../machine/interfaces.ts';
export { type HostTime, MEMORY_LIMITS, type VmConfig } from './config.ts';
export type { ShutdownReason, VmControl, VmEvent, VmStats, VmStatus } from './control.ts';
export { QmpSession, type QmpTarget } from './qmp.ts';
export { type Shutdown, Vm } from './vm.ts';
