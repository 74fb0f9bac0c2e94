// What a plan changes.

import { Inventory, Item } from "./inventory";

// What a plan does to a resource, in the words of Terraform's JSON.
export const CREATE = "create";
export const UPDATE = "update";
export const DELETE = "delete";
export const NOTHING = "no-op";

// A change of one resource: there is no before of one that is created, and no after of one that is deleted.
export class Change {
  constructor(public item: Item, public action: string, public before: Item | null, public after: Item | null) {}
}

// compare returns the changes that make what there is into what is wanted: in the order of what is wanted, deletions last.
export function compare(have: Inventory, wanted: Inventory): Array<Change> {
  const changes: Array<Change> = [];
  for (let i = 0; i < wanted.items.length; i++) {
    const after = wanted.items[i];
    const before = have.find(after.address);
    changes.push(new Change(after, actionOf(before, after), before, after));
  }
  for (let i = 0; i < have.items.length; i++) {
    const before = have.items[i];
    if (wanted.find(before.address) === null) changes.push(new Change(before, DELETE, before, null));
  }
  return changes;
}

function actionOf(before: Item | null, after: Item): string {
  if (before === null) return CREATE;
  return before.cost == after.cost ? NOTHING : UPDATE;
}

// planJSON writes the plan in the form of Terraform's (terraform show -json), as far as clients read it. Types and names need
// no escapes.
export function planJSON(changes: Array<Change>): Uint8Array {
  const texts: Array<string> = [];
  for (let i = 0; i < changes.length; i++) {
    const c = changes[i];
    texts.push(
      '{"address":"' + c.item.address + '","mode":"managed","type":"' + c.item.type + '","name":"' + c.item.name +
        '","change":{"actions":["' + c.action + '"],"before":' + attributes(c.before) + ',"after":' + attributes(c.after) + "}}"
    );
  }
  return Uint8Array.wrap(String.UTF8.encode('{"format_version":"1.0","resource_changes":[' + texts.join(",") + "]}"));
}

function attributes(item: Item | null): string {
  return item === null ? "null" : '{"daily_cost":' + item.cost.toString() + "}";
}
