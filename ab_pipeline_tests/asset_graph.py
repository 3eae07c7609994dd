"""The picture of the asset graph, drawn from the definitions."""

from __future__ import annotations

from ab_pipeline.definitions import defs


def mermaid() -> str:
    """The README's flow chart: every table in its group, every dependency an arrow."""
    graph = defs.resolve_asset_graph()
    tables = [node for node in graph.asset_nodes if node.group_name != "maintenance"]
    nodes = sorted(tables, key=lambda node: (node.group_name, node.key))
    lines = ["flowchart LR"]
    for group in dict.fromkeys(node.group_name for node in nodes):
        lines.append(f"  subgraph {group}")
        for node in nodes:
            if node.group_name == group:
                shape = f"[/{node.key.path[-1]}/]" if node.is_external else f"[{node.key.path[-1]}]"
                days = ":::daily" if node.partitions_def else ""
                lines.append(f"    {node.key.path[-1]}{shape}{days}")
        lines.append("  end")
    lines += [f"  {parent.path[-1]} --> {node.key.path[-1]}" for node in nodes for parent in sorted(node.parent_keys)]
    lines.append("  classDef daily stroke-width:3px")
    return "\n".join(lines)


if __name__ == "__main__":
    print(mermaid())
