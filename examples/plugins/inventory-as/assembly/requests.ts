// The five requests.

import { extractArchive } from "./archive";
import { ApplyComplete } from "./generated/provisioner/ApplyComplete";
import { GraphComplete } from "./generated/provisioner/GraphComplete";
import { GraphRequest } from "./generated/provisioner/GraphRequest";
import { GraphSource } from "./generated/provisioner/GraphSource";
import { InitComplete } from "./generated/provisioner/InitComplete";
import { InitRequest } from "./generated/provisioner/InitRequest";
import { LogLevel } from "./generated/provisioner/LogLevel";
import { ParseComplete } from "./generated/provisioner/ParseComplete";
import { PlanComplete } from "./generated/provisioner/PlanComplete";
import { PlanRequest } from "./generated/provisioner/PlanRequest";
import { Resource } from "./generated/provisioner/Resource";
import { WorkspaceTransition } from "./generated/provisioner/WorkspaceTransition";
import { canceled, fail, failure, log } from "./host";
import { Inventory, keep, kept, parseInventory, PLANNED_FILE, readInventory, readReadme, STATE_FILE } from "./inventory";
import { compare, NOTHING, planJSON } from "./plan";
import { removeFile, TMP } from "./wasi";

function stillWanted(request: string): bool {
  return !canceled() || fail(request + ": canceled");
}

export function handleInit(request: InitRequest): InitComplete {
  const complete = new InitComplete();
  if (!extractArchive(request.templateSourceArchive)) complete.error = failure;
  return complete;
}

export function handleParse(): ParseComplete {
  const complete = new ParseComplete();
  const inventory = stillWanted("parse") ? readInventory() : null;
  if (inventory === null) {
    complete.error = failure;
    return complete;
  }
  log(LogLevel.DEBUG, "inventory.txt: " + inventory.items.length.toString() + " resources");
  const readme = readReadme();
  if (readme === null) complete.error = failure;
  else complete.readme = readme;
  return complete;
}

// stateFor is the state to plan from: the request's, or else what the session has so far.
function stateFor(request: PlanRequest): Inventory | null {
  if (request.state.length == 0) return kept(STATE_FILE);
  const state = parseInventory("state", request.state);
  return state !== null && keep(STATE_FILE, state) ? state : null;
}

export function handlePlan(request: PlanRequest): PlanComplete {
  const complete = new PlanComplete();
  // Should this plan fail, there is none.
  const state = stillWanted("plan") && removeFile(TMP, PLANNED_FILE) ? stateFor(request) : null;
  let wanted = state !== null ? readInventory() : null;
  const metadata = request.metadata;
  if (wanted !== null && metadata !== null && metadata.workspaceTransition == WorkspaceTransition.DESTROY) {
    wanted = new Inventory();
  }
  if (state === null || wanted === null || !keep(PLANNED_FILE, wanted)) {
    complete.error = failure;
    return complete;
  }
  for (let i = 0; i < wanted.items.length; i++) complete.dailyCost += wanted.items[i].cost;
  const changes = compare(state, wanted);
  for (let i = 0; i < changes.length; i++) {
    const c = changes[i];
    if (c.action != NOTHING) log(LogLevel.INFO, c.item.address + ": to " + c.action);
  }
  complete.plan = planJSON(changes);
  return complete;
}

// apply makes what was planned the state, and returns the new state; on failure there is none.
function apply(state: Inventory): Inventory | null {
  const planned = stillWanted("apply") ? kept(PLANNED_FILE) : null;
  if (planned === null || !keep(STATE_FILE, planned)) return null;
  const changes = compare(state, planned);
  for (let i = 0; i < changes.length; i++) {
    const c = changes[i];
    if (c.action != NOTHING) log(LogLevel.INFO, c.item.address + ": " + c.action + "d");
  }
  return planned;
}

export function handleApply(): ApplyComplete {
  const complete = new ApplyComplete();
  const before = kept(STATE_FILE);
  const after = before !== null ? apply(before) : null;
  if (after === null) complete.error = failure;
  if (after !== null) complete.state = after.format();
  else if (before !== null) complete.state = before.format();
  return complete;
}

export function handleGraph(request: GraphRequest): GraphComplete {
  const complete = new GraphComplete();
  const inventory = stillWanted("graph") ? inventoryOf(request.source) : null;
  if (inventory === null) {
    complete.error = failure;
    return complete;
  }
  for (let i = 0; i < inventory.items.length; i++) {
    const item = inventory.items[i];
    const resource = new Resource();
    resource.type = item.type;
    resource.name = item.name;
    resource.dailyCost = item.cost;
    complete.resources.push(resource);
  }
  return complete;
}

function inventoryOf(source: GraphSource): Inventory | null {
  if (source == GraphSource.SOURCE_PLAN) return kept(PLANNED_FILE);
  if (source == GraphSource.SOURCE_STATE) return kept(STATE_FILE);
  fail("graph: the source must be the plan (1) or the state (2), not " + (<i32>source).toString());
  return null;
}
