// A plugin whose templates list resources in inventory.txt. The README.md one directory up describes the template, the plan
// and the state. What is exported here is the ABI.

import "./abort";
import { Protobuf } from "as-proto/assembly";
import { Request } from "./generated/provisioner/Request";
import { Response } from "./generated/provisioner/Response";
import { respond } from "./host";
import { handleApply, handleGraph, handleInit, handleParse, handlePlan } from "./requests";
import { complain } from "./wasi";

const ABI_VERSION: i32 = 1 << 16;

export function provisor_abi_version(): i32 {
  return ABI_VERSION;
}

// The request, which the garbage collector must not take while the host writes it.
let request = new ArrayBuffer(0);

export function provisor_alloc(size: i32): usize {
  request = new ArrayBuffer(size);
  return changetype<usize>(request);
}

export function provisor_handle(_: usize, size: i32): i32 {
  const message = Protobuf.decode<Request>(Uint8Array.wrap(request, 0, size), Request.decode);
  request = new ArrayBuffer(0);
  const response = answer(message);
  if (response === null) {
    complain("the request is of an unknown kind");
    return 1;
  }
  const result = respond(Protobuf.encode<Response>(response, Response.encode));
  if (result < 0) {
    complain("hand over the answer: errno " + (-result).toString());
    return 1;
  }
  return 0;
}

function answer(request: Request): Response | null {
  const response = new Response();
  const init = request.init;
  const plan = request.plan;
  const graph = request.graph;
  if (init !== null) response.init = handleInit(init);
  else if (request.parse !== null) response.parse = handleParse();
  else if (plan !== null) response.plan = handlePlan(plan);
  else if (request.apply !== null) response.apply = handleApply();
  else if (graph !== null) response.graph = handleGraph(graph);
  else return null;
  return response;
}
