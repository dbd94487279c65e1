import { Component, h, type ComponentType, type FunctionComponent, type VNode } from "preact";

/** Draws a component again only when one of its properties is another value. */
export function memo<P extends object>(inner: FunctionComponent<P>): ComponentType<P> {
  return class Memo extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      const before = this.props as Record<string, unknown>;
      const after = next as Record<string, unknown>;
      for (const key of Object.keys(after)) if (key !== "children" && before[key] !== after[key]) return true;
      return false;
    }
    override render(): VNode {
      return h(inner as FunctionComponent<object>, this.props as object) as VNode;
    }
  };
}
