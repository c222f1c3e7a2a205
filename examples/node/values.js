// What a value is on the wire: a Struct, which every client understands, or bytes with a content type.

/** The type that a payload has if it says none. */
const JSON_TYPE = 'application/json';

/** Gives a google.protobuf.Struct of a plain object. Its numbers become doubles. */
export function toStruct(object) {
  return { fields: mapped(object, toValue) };
}

/** Gives the plain object of a google.protobuf.Struct. */
export function fromStruct(struct) {
  return mapped(struct.fields, fromValue);
}

/** Gives the payload of anything that JSON can say. */
export function jsonPayload(value) {
  return { contentType: JSON_TYPE, data: Buffer.from(JSON.stringify(value)) };
}

/** Gives the value of a JSON payload, and the bytes of any other one. */
export function fromPayload({ contentType, data }) {
  return ['', JSON_TYPE].includes(contentType) ? JSON.parse(data.toString()) : data;
}

function mapped(object, change) {
  // A map has no order on the wire.
  const names = Object.keys(object).sort();
  return Object.fromEntries(names.map((name) => [name, change(object[name])]));
}

function toValue(value) {
  if (value === null) return { nullValue: 'NULL_VALUE' };
  if (Array.isArray(value)) return { listValue: { values: value.map(toValue) } };
  switch (typeof value) {
    case 'boolean': return { boolValue: value };
    case 'number': return { numberValue: value };
    case 'string': return { stringValue: value };
    case 'object': return { structValue: toStruct(value) };
    default: throw new TypeError(`a ${typeof value} has no place in a Struct`);
  }
}

function fromValue(value) {
  switch (value.kind) {
    case 'nullValue': return null;
    case 'listValue': return value.listValue.values.map(fromValue);
    case 'structValue': return fromStruct(value.structValue);
    default: return value[value.kind];
  }
}
