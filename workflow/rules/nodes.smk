# Several machines: nothing is measured on a node that a scheduler gives while anything is made that measurements may wait
# for, since that may need the same machine. So all rules that do not measure take a share of each node.

for each in workflow.rules:
    for share in (f"node_{name}" for name in STUDY.elsewhere):
        if share not in each.resources:
            each.resources[share] = 1
