// Node 18 (Debian 12) has WebCrypto but not as a global, where @icp-sdk/core looks for it.
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto;
