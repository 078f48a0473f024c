// For `import` in Node: the copy that `require` gets, so that objects of the one are objects of the other.
import churn from "./node.cjs";

export * from "./node.cjs";

// Some engines hand out the default export itself.
export default churn.default ?? churn;
