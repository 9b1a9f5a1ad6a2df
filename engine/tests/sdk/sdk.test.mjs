// Vapi's official SDK against a running engine: what a product does that changes one URL.
//
// VAPI_BASE_URL and VAPI_TOKEN say which engine, and with which private key.

import assert from "node:assert/strict";
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import * as newest from "vapi-newest";
import * as older from "vapi-older";

const baseUrl = process.env.VAPI_BASE_URL;
const token = process.env.VAPI_TOKEN;

// The two generations differ in how they name a resource by its id.
const sdks = {
  "2.0.1": {
    VapiError: newest.VapiError,
    client: (token) => new newest.VapiClient({ token, baseUrl }),
    get: (api, id) => api.get({ id }),
    update: (api, id, fields) => api.update({ id, ...fields }),
    updateNumber: (api, id, fields) => api.update({ id, body: fields }),
    remove: (api, id) => api.delete({ id }),
    upload: (api, file) => api.create({ file, purpose: "assistant" }),
    uploadedName: "carte.txt",
  },
  "0.5.2": {
    VapiError: older.VapiError,
    client: (token) => new older.VapiClient({ token, environment: baseUrl }),
    get: (api, id) => api.get(id),
    update: (api, id, fields) => api.update(id, fields),
    updateNumber: (api, id, fields) => api.update(id, fields),
    remove: (api, id) => api.delete(id),
    upload: (api, file) => api.create(file),
    // It leaves out what a file is called.
    uploadedName: "blob",
  },
};

// What the SDKs have no method for.
async function ask(method, path, body) {
  const response = await fetch(baseUrl + path, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

const assistant = {
  name: "Salon Camille",
  firstMessage: "Salon Camille, bonjour !",
  transcriber: { provider: "deepgram", model: "nova-3", language: "fr" },
  model: {
    provider: "openai",
    model: "gpt-4o-mini",
    temperature: 0.7,
    messages: [{ role: "system", content: "Vous prenez les rendez-vous." }],
    tools: [
      {
        type: "function",
        function: {
          name: "checkAvailability",
          description: "Les heures libres d'un jour",
          parameters: { type: "object", properties: { date: { type: "string" } } },
        },
        server: { url: "https://product.example/tools" },
      },
    ],
  },
  voice: { provider: "azure", voiceId: "fr-FR-DeniseNeural" },
  server: { url: "https://product.example/vapi", timeoutSeconds: 20 },
  serverMessages: ["end-of-call-report", "status-update"],
  endCallPhrases: ["au revoir"],
  metadata: { secteur: "coiffure" },
};

for (const [version, sdk] of Object.entries(sdks)) {
  const vapi = sdk.client(token);

  test(`${version}: an assistant from beginning to end`, async () => {
    const made = await vapi.assistants.create(assistant);
    assert.match(made.id, /^[0-9a-f-]{36}$/);
    for (const [field, value] of Object.entries(assistant)) {
      assert.deepEqual(made[field], value, field);
    }
    assert.deepEqual(await sdk.get(vapi.assistants, made.id), made);
    const renamed = await sdk.update(vapi.assistants, made.id, { name: "Chez Camille" });
    assert.equal(renamed.name, "Chez Camille");
    assert.deepEqual(renamed.model, made.model);
    const listed = await vapi.assistants.list({ limit: 10, createdAtGe: made.createdAt });
    assert.ok(listed.some(({ id }) => id === made.id));
    await sdk.remove(vapi.assistants, made.id);
    await assert.rejects(sdk.get(vapi.assistants, made.id), (error) => {
      assert.ok(error instanceof sdk.VapiError);
      assert.equal(error.statusCode, 404);
      return true;
    });
  });

  test(`${version}: what is wrong is told as Vapi tells it`, async () => {
    const wrong = { name: "x".repeat(41), firstMessage: "Bonjour", maxDurationSeconds: 5 };
    await assert.rejects(vapi.assistants.create(wrong), (error) => {
      assert.equal(error.statusCode, 400);
      assert.equal(error.body.error, "Bad Request");
      assert.deepEqual([...error.body.message].sort(), [
        "maxDurationSeconds must not be less than 10",
        "name must be shorter than or equal to 40 characters",
      ]);
      return true;
    });
    await assert.rejects(sdk.client("nobody's").assistants.list(), { statusCode: 401 });
  });

  test(`${version}: a tool and a number`, async () => {
    const made = await vapi.assistants.create(assistant);
    const tool = await vapi.tools.create({
      type: "function",
      async: false,
      function: { name: "createAppointment", parameters: { type: "object", properties: {} } },
    });
    assert.equal((await sdk.get(vapi.tools, tool.id)).function.name, "createAppointment");
    const number = await vapi.phoneNumbers.create({
      provider: "twilio",
      number: "+33123456789",
      twilioAccountSid: "AC00000000000000000000000000000000",
      twilioAuthToken: "hunter2",
    });
    assert.equal(number.twilioAuthToken, undefined);
    const change = { provider: "twilio", assistantId: made.id };
    const changed = await sdk.updateNumber(vapi.phoneNumbers, number.id, change);
    assert.equal(changed.assistantId, made.id);
    assert.equal(changed.number, "+33123456789");
    assert.equal((await vapi.phoneNumbers.list()).length, 1);
    await sdk.remove(vapi.phoneNumbers, number.id);
    await sdk.remove(vapi.tools, tool.id);
    await sdk.remove(vapi.assistants, made.id);
  });

  test(`${version}: calls`, async () => {
    assert.deepEqual(await vapi.calls.list({ limit: 5 }), []);
    const nobody = "00000000-0000-4000-8000-000000000000";
    await assert.rejects(sdk.get(vapi.calls, nobody), { statusCode: 404 });
  });
}

for (const [version, sdk] of Object.entries(sdks)) {
  const vapi = sdk.client(token);

  test(`${version}: a squad`, async () => {
    const made = await vapi.assistants.create(assistant);
    const members = [
      {
        assistantId: made.id,
        assistantDestinations: [
          { type: "assistant", assistantName: "Cuisine", message: "", description: "Les plats" },
        ],
      },
      {
        assistant: { name: "Cuisine", firstMessage: "La cuisine, oui ?" },
        assistantOverrides: { variableValues: { plat: "tarte" } },
      },
    ];
    const squad = await vapi.squads.create({ name: "Restaurant", members });
    assert.deepEqual(squad.members, members);
    assert.deepEqual(await sdk.get(vapi.squads, squad.id), squad);
    const change = { name: "Bistrot", members };
    assert.equal((await sdk.update(vapi.squads, squad.id, change)).name, "Bistrot");
    assert.equal((await vapi.squads.list({ limit: 10 })).length, 1);
    const nobody = "00000000-0000-4000-8000-000000000000";
    await assert.rejects(
      vapi.squads.create({ members: [{ assistantId: nobody }, { assistant: { nom: "x" } }] }),
      (error) => {
        assert.equal(error.statusCode, 400);
        assert.deepEqual(error.body.message, [
          "members.1.assistant.property nom should not exist",
          `members.0.assistantId ${nobody} does not exist`,
        ]);
        return true;
      },
    );
    await sdk.remove(vapi.squads, squad.id);
    await sdk.remove(vapi.assistants, made.id);
  });

  test(`${version}: a file`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "causerie-"));
    const path = join(folder, "carte.txt");
    writeFileSync(path, "Tarte à la rhubarbe : 7 €");
    try {
      const made = await sdk.upload(vapi.files, createReadStream(path));
      assert.equal(made.originalName, sdk.uploadedName);
      assert.equal(made.bytes, 28);
      const content = await fetch(made.url);
      assert.equal(await content.text(), "Tarte à la rhubarbe : 7 €");
      assert.deepEqual(await sdk.get(vapi.files, made.id), made);
      const renamed = await sdk.update(vapi.files, made.id, { name: "Carte" });
      assert.equal(renamed.name, "Carte");
      assert.equal((await vapi.files.list({ purpose: made.purpose })).length, 1);
      await sdk.remove(vapi.files, made.id);
      await assert.rejects(sdk.get(vapi.files, made.id), { statusCode: 404 });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test(`${version}: credentials`, async () => {
    const wrong = await ask("POST", "/credential", { provider: "openai", apiKee: "sk" });
    assert.equal(wrong.status, 400);
    assert.deepEqual(wrong.body.message, [
      "property apiKee should not exist; did you mean apiKey?",
      "apiKey should not be empty",
    ]);
    const authenticationPlan = { type: "bearer", token: "hunter2" };
    const made = await ask("POST", "/credential", { provider: "webhook", authenticationPlan });
    assert.equal(made.status, 201);
    assert.ok(!JSON.stringify(made.body).includes("hunter2"));
    const server = { url: "https://product.example/vapi", credentialId: made.body.id };
    const owner = await vapi.assistants.create({ ...assistant, server });
    assert.deepEqual(owner.server, server);
    await sdk.remove(vapi.assistants, owner.id);
    await ask("DELETE", `/credential/${made.body.id}`);
    await assert.rejects(vapi.assistants.create({ ...assistant, server }), (error) => {
      assert.equal(error.statusCode, 400);
      const told = `server.credentialId ${made.body.id} does not exist`;
      assert.deepEqual(error.body.message, [told]);
      return true;
    });
  });
}

test("2.0.1: a structured output, in pages", async () => {
  const api = sdks["2.0.1"].client(token).structuredOutputs;
  const schema = { type: "object", properties: { jour: { type: "string" } } };
  const made = await api.structuredOutputControllerCreate({ name: "Rendez-vous", schema });
  assert.deepEqual(await api.structuredOutputControllerFindOne({ id: made.id }), made);
  const all = await api.structuredOutputControllerFindAll({ limit: 10 });
  assert.deepEqual(all.results, [made]);
  assert.equal(all.metadata.totalItems, 1);
  const change = { id: made.id, schemaOverride: "false", name: "Date" };
  assert.equal((await api.structuredOutputControllerUpdate(change)).name, "Date");
  await api.structuredOutputControllerRemove({ id: made.id });
});

for (const [version, sdk] of Object.entries(sdks)) {
  test(`${version}: what is added up over calls`, async () => {
    const [answer] = await sdk.client(token).analytics.get({
      queries: [
        {
          table: "call",
          name: "reasons",
          groupBy: ["endedReason"],
          operations: [{ operation: "count", column: "id" }],
          timeRange: { step: "day", timezone: "Europe/Paris" },
        },
      ],
    });
    assert.equal(answer.name, "reasons");
    assert.deepEqual(answer.result, []);
  });
}

test("2.0.1: chats and sessions", async () => {
  const vapi = sdks["2.0.1"].client(token);
  const session = await vapi.sessions.create({ name: "Mme Martin", assistant: { name: "Camille" } });
  assert.equal(session.status, "active");
  const first = await vapi.chats.create({ sessionId: session.id, input: "Hello." });
  assert.equal(first.output.at(-1).role, "assistant");
  assert.ok(first.output.at(-1).content.length > 0);
  const second = await vapi.chats.create({ previousChatId: first.id, input: "And then?" });
  assert.equal(second.messages.length, first.input.length + first.output.length);
  assert.deepEqual(await vapi.chats.get({ id: first.id }), first);
  const listed = await vapi.chats.list({ sessionId: session.id });
  assert.deepEqual([listed.results.length, listed.metadata.totalItems], [1, 1]);
  const remembered = await vapi.sessions.get({ id: session.id });
  assert.equal(remembered.messages.length, first.input.length + first.output.length);
  const completed = await vapi.sessions.update({ id: session.id, status: "completed" });
  assert.equal(completed.status, "completed");
  await assert.rejects(vapi.chats.create({ sessionId: session.id, input: "Still?" }), {
    statusCode: 400,
  });
  const wrong = vapi.chats.create({ sessionId: session.id, previousChatId: first.id, input: "?" });
  await assert.rejects(wrong, (error) => {
    assert.deepEqual(error.body.message, ["sessionId and previousChatId must not both be sent"]);
    return true;
  });
  const response = await vapi.chats.createResponse({
    assistant: { name: "Camille" },
    input: "Hello.",
    stream: false,
  });
  assert.equal(response.object, "response");
  assert.ok(response.output[0].content[0].text.length > 0);
  for (const chat of [first.id, second.id, response.id]) {
    await vapi.chats.delete({ id: chat });
  }
  await vapi.sessions.delete({ id: session.id });
  assert.equal((await vapi.sessions.list()).metadata.totalItems, 0);
});

after(async () => {
  const left = await sdks["2.0.1"].client(token).assistants.list();
  assert.deepEqual(left, [], "everything that was made was deleted");
});
