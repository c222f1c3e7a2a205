// What a failed call means. The gRPC status alone cannot tell an expired transaction from a slow network, so the daemon
// adds a StatehouseError to the status, in the trailer grpc-status-details-bin.

import { status } from '@grpc/grpc-js';
import { messages } from './contract.js';

const DETAILS = 'grpc-status-details-bin';

/** Codes after which the same call may be sent again; a commit with its txn_id, so that it counts once. */
const SAME_AGAIN = new Set(['CONNECTION', 'DEADLINE_EXCEEDED', 'OVERLOADED', 'OUTCOME_UNKNOWN']);

/** Codes after which a transaction has to be done anew: read again, decide again, under a new txn_id. */
const NEW_TRANSACTION = new Set(['CONFLICT', 'PRECONDITION_FAILED', 'TRANSACTION_EXPIRED']);

/** A failed call: `code` is a name of the contract's ErrorCode, `details` are its facts. */
export class StatehouseError extends Error {
  constructor(code, message, details = {}) {
    super(message);
    this.name = 'StatehouseError';
    this.code = code;
    this.details = details;
  }

  /** Whether to send the same call again. */
  get sameAgain() {
    return SAME_AGAIN.has(this.code);
  }

  /** Whether to begin the transaction again. */
  get newTransaction() {
    return NEW_TRANSACTION.has(this.code);
  }
}

/** Gives the StatehouseError of an error of gRPC. */
export function fromServiceError(error) {
  const [bytes] = error.metadata?.get(DETAILS) ?? [];
  if (bytes === undefined) return withoutDetails(error);
  const [{ value }] = messages['google.rpc.Status'].deserialize(bytes).details;
  const { code, message, details } = messages['statehouse.v1.StatehouseError'].deserialize(value);
  const facts = Object.entries(details).map(([name, json]) => [name, JSON.parse(json)]);
  return new StatehouseError(code, message, Object.fromEntries(facts));
}

// The network, or gRPC itself, has answered instead of the daemon.
function withoutDetails(error) {
  switch (error.code) {
    case status.UNAVAILABLE: return new StatehouseError('CONNECTION', error.details);
    case status.DEADLINE_EXCEEDED: return new StatehouseError('DEADLINE_EXCEEDED', error.details);
    default: return new StatehouseError(`gRPC ${status[error.code]}`, error.details);
  }
}
