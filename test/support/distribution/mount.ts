import { type Content, freshContent } from "./content.ts";
import { expectHeader, expectStatus } from "./expect.ts";
import type { Answer } from "./http.ts";
import { expectBlob, expectPullable, finishUpload, pushBlob, pushImage } from "./push.ts";
import { type Repository, type Requirement, section } from "./requirement.ts";

const { must, should, may } = section("end-11 Mounting a blob from another repository");

function mount(repository: Repository, digest: string, from?: string): Promise<Answer> {
  return repository.ask("POST", "blobs/uploads/", {
    query: { mount: digest, ...(from === undefined ? {} : { from }) },
  });
}

/** That the answer is a mounted blob, or an upload that can be gone on with. */
async function expectMountOrUpload(repository: Repository, answer: Answer, blob: Content): Promise<void> {
  expectStatus(answer, 201, 202);
  const { descriptor, bytes } = blob;
  const done = answer.status === 201 ? answer : await finishUpload(repository, answer, descriptor.digest, bytes);
  await expectPullable(repository, expectStatus(done, 201), blob);
}

export const mounts: readonly Requirement[] = [
  must("mount", "mounts a blob, or begins an upload instead", async (repository) => {
    const source = repository.another();
    const blob = await pushBlob(source, freshContent());
    await expectMountOrUpload(repository, await mount(repository, blob.descriptor.digest, source.name), blob);
    await expectBlob(repository, blob);
  }),
  may("mount-done", "mounts a blob with 201, and it is in both repositories", async (repository) => {
    const source = repository.another();
    const blob = await pushBlob(source, freshContent());
    const answer = expectStatus(await mount(repository, blob.descriptor.digest, source.name), 201);
    await expectPullable(repository, answer, blob);
    await expectBlob(repository, blob);
    await expectBlob(source, blob);
  }),
  must("mount-digest-header", "tells, if at all, the right digest of a mounted blob", async (repository) => {
    const source = repository.another();
    const { digest } = (await pushBlob(source, freshContent())).descriptor;
    const answer = expectStatus(await mount(repository, digest, source.name), 201, 202);
    if (answer.status === 201 && answer.headers["docker-content-digest"] !== undefined)
      expectHeader(answer, "docker-content-digest", digest);
  }),
  should("mount-unknown-blob", "begins an upload where the source lacks the blob", async (repository) => {
    const source = repository.another();
    await pushImage(source, "latest");
    const blob = freshContent();
    const answer = expectStatus(await mount(repository, blob.descriptor.digest, source.name), 202);
    await expectMountOrUpload(repository, answer, blob);
  }),
  should("mount-unknown-source", "begins an upload where there is no such source", async (repository) => {
    const blob = freshContent();
    const answer = expectStatus(await mount(repository, blob.descriptor.digest, repository.another().name), 202);
    await expectMountOrUpload(repository, answer, blob);
  }),
  should("mount-bad-source", "begins an upload where the source is no name", async (repository) => {
    const blob = await pushBlob(repository.another(), freshContent());
    const answer = expectStatus(await mount(repository, blob.descriptor.digest, "Not/A/Name"), 202);
    await expectMountOrUpload(repository, answer, blob);
  }),
  must("mount-no-source", "mounts a blob without a source, or begins an upload", async (repository) => {
    const blob = await pushBlob(repository.another(), freshContent());
    await expectMountOrUpload(repository, await mount(repository, blob.descriptor.digest), blob);
  }),
  may("mount-no-source-done", "finds the source of a blob itself", async (repository) => {
    const image = await pushImage(repository.another(), "latest");
    const { config } = JSON.parse(image.bytes.toString()) as { config: { digest: string } };
    expectStatus(await mount(repository, config.digest), 201);
    expectStatus(await repository.ask("HEAD", `blobs/${config.digest}`), 200);
  }),
  should("mount-unknown-no-source", "begins an upload where nobody has the blob", async (repository) => {
    const blob = freshContent();
    const answer = expectStatus(await mount(repository, blob.descriptor.digest), 202);
    await expectMountOrUpload(repository, answer, blob);
  }),
  must("mount-itself", "answers a mount of what the repository has itself", async (repository) => {
    const blob = await pushBlob(repository, freshContent());
    await expectMountOrUpload(repository, await mount(repository, blob.descriptor.digest, repository.name), blob);
  }),
];
