// What a program with AWS's SDK for JavaScript does: prints one JSON object of what it saw.
import {
  ECRClient, CreateRepositoryCommand, DescribeImageScanFindingsCommand, DescribeImagesCommand,
  GetRegistryScanningConfigurationCommand, PutRegistryScanningConfigurationCommand, StartImageScanCommand,
  paginateDescribeImageScanFindings, paginateDescribeImages, waitUntilImageScanComplete,
} from "@aws-sdk/client-ecr";

const client = new ECRClient({ region: process.env.AWS_DEFAULT_REGION });
const repositoryName = "wire/js";
const imageId = { imageTag: "latest" };
const seen = {};
const refusal = async (command) => {
  try { await client.send(command); return "answered"; } catch (error) { return `${error.name} ${error.$metadata.httpStatusCode}`; }
};
seen.waited = (await waitUntilImageScanComplete({ client, maxWaitTime: 60 }, { repositoryName, imageId })).state;
seen.findings = [];
for await (const page of paginateDescribeImageScanFindings({ client, pageSize: 1 }, { repositoryName, imageId })) {
  seen.findings.push(...page.imageScanFindings.findings.map((finding) => finding.name));
  seen.counts = page.imageScanFindings.findingSeverityCounts;
}
seen.statuses = [];
for await (const page of paginateDescribeImages({ client, pageSize: 1 }, { repositoryName })) {
  seen.statuses.push(...page.imageDetails.map((detail) => detail.imageScanStatus?.status));
}
seen.again = await refusal(new StartImageScanCommand({ repositoryName, imageId }));
seen.exists = await refusal(new CreateRepositoryCommand({ repositoryName }));
seen.absent = await refusal(new DescribeImagesCommand({ repositoryName, imageIds: [{ imageTag: "no" }] }));
seen.unscanned = await refusal(new DescribeImageScanFindingsCommand({ repositoryName: "wire/js-none", imageId }));
await client.send(new PutRegistryScanningConfigurationCommand({ scanType: "ENHANCED" }));
const configured = await client.send(new GetRegistryScanningConfigurationCommand({}));
seen.scanType = configured.scanningConfiguration.scanType;
seen.disabled = await refusal(new StartImageScanCommand({ repositoryName, imageId }));
for (let tries = 0; tries < 120; tries++) {
  try {
    const found = await client.send(new DescribeImageScanFindingsCommand({ repositoryName, imageId }));
    seen.enhancedStatus = found.imageScanStatus.status;
    if (seen.enhancedStatus === "ACTIVE") {
      seen.enhanced = found.imageScanFindings.enhancedFindings.map((finding) => finding.title);
      seen.observed = found.imageScanFindings.enhancedFindings.every((finding) => finding.firstObservedAt instanceof Date);
      break;
    }
  } catch (error) {
    if (error.name !== "ScanNotFoundException") throw error;
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
}
console.log(JSON.stringify(seen));
