// For `import` in Node: loads the same copy as `require`, so that objects of both are interchangeable.
import churn from "./node.cjs";

export * from "./node.cjs";

// Some engines return the default export itself.
export default churn.default ?? churn;
