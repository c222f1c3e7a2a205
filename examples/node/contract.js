// The wire contract, as it is in the repository: no code is generated.

import { fileURLToPath } from 'node:url';
import protoLoader from '@grpc/proto-loader';

/** Every message and service of the contract, by its full name. */
export const messages = protoLoader.loadSync(
  [here('../../proto/statehouse/v1/statehouse.proto'), here('status.proto')],
  // Every number of the contract is below 2^53, so that a Number holds it.
  { longs: Number, enums: String, defaults: true, oneofs: true },
);

function here(name) {
  return fileURLToPath(new URL(name, import.meta.url));
}
