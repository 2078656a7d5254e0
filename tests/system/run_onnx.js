// SPDX-License-Identifier: BSD-3-Clause
// Run networks by ONNX Runtime:  node run_onnx.js MODULES CASES.json
// reads each case's PREFIX.onnx and PREFIX.images and writes PREFIX.answers.
const fs = require("fs");
const path = require("path");
const ort = require(path.resolve(process.argv[2], "onnxruntime-node"));

async function main() {
    for (const c of JSON.parse(fs.readFileSync(process.argv[3]))) {
        const raw = fs.readFileSync(c.prefix + ".images");
        const images = new Float32Array(raw.buffer.slice(
            raw.byteOffset, raw.byteOffset + raw.byteLength));
        const session = await ort.InferenceSession.create(c.prefix + ".onnx");
        const size = c.image[0] * c.image[1] * c.image[2];
        const n = images.length / size;
        const result = await session.run({images: new ort.Tensor(
            "float32", images, [n, ...c.image])});
        // one image alone too: N is free
        const one = await session.run({images: new ort.Tensor(
            "float32", images.slice(0, size), [1, ...c.image])});
        if (one.logits.dims[0] !== 1)
            throw new Error(c.prefix + ": " + one.logits.dims);
        fs.writeFileSync(c.prefix + ".answers",
                         Buffer.from(result.logits.data.buffer));
    }
    console.log("onnxruntime-node " +
                require(path.resolve(process.argv[2],
                                     "onnxruntime-node/package.json")).version);
}

main().catch((e) => { console.error(e); process.exit(1); });
