package interop;

import com.alibaba.nacos.api.model.response.Namespace;
import com.alibaba.nacos.api.naming.pojo.Instance;
import com.alibaba.nacos.api.naming.pojo.Service;
import com.alibaba.nacos.api.naming.pojo.healthcheck.AbstractHealthChecker;
import com.alibaba.nacos.api.naming.pojo.maintainer.ClusterInfo;
import com.alibaba.nacos.api.config.model.ConfigBasicInfo;
import com.alibaba.nacos.api.config.model.ConfigCloneInfo;
import com.alibaba.nacos.api.config.model.ConfigHistoryBasicInfo;
import com.alibaba.nacos.api.config.model.SameConfigPolicy;
import com.alibaba.nacos.maintainer.client.config.ConfigMaintainerFactory;
import com.alibaba.nacos.maintainer.client.config.ConfigMaintainerService;
import com.alibaba.nacos.maintainer.client.naming.NamingMaintainerFactory;
import com.alibaba.nacos.maintainer.client.naming.NamingMaintainerService;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Callable;

/**
 * Makes every call of the official client for those who look after a server, and prints what came of each: a line of its name, a tab, and
 * the result as JSON, or what it was refused with.
 */
public final class Maintainer {
    private static final String NAMESPACE = "public";
    private static final String GROUP = "DEFAULT_GROUP";

    private static final ObjectMapper JSON = new ObjectMapper()
            .configure(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS, true)
            .configure(SerializationFeature.FAIL_ON_EMPTY_BEANS, false);

    private Maintainer() {
    }

    public static void main(String[] args) throws Exception {
        Properties p = new Properties();
        p.setProperty("serverAddr", args[0]);
        if (args.length > 2) {
            p.setProperty("username", args[1]);
            p.setProperty("password", args[2]);
        }
        NamingMaintainerService naming = NamingMaintainerFactory.createNamingMaintainerService(p);
        ConfigMaintainerService config = ConfigMaintainerFactory.createConfigMaintainerService(p);
        server(naming);
        namespaces(naming);
        services(naming);
        instances(naming);
        clients(naming);
        configurations(config);
        history(config);
        say("removeService", () -> naming.removeService(service("order")));
        say("getServiceDetail of one that is gone", () -> naming.getServiceDetail(service("order")));
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    private static void server(NamingMaintainerService n) {
        say("getServerState", () -> n.getServerState().containsKey("version"));
        say("liveness", n::liveness);
        say("readiness", n::readiness);
        say("listClusterNodes", () -> n.listClusterNodes("", "").size());
        say("getMetrics of status", () -> n.getMetrics(true));
        say("getMetrics", () -> n.getMetrics(false).getStatus());
        say("getCurrentClients", n::getCurrentClients);
        say("reloadConnectionCount", () -> n.reloadConnectionCount(0, ""));
        say("reloadSingleClient", () -> n.reloadSingleClient("nobody", ""));
        say("smartReloadCluster", () -> n.smartReloadCluster("0.1"));
        say("getClusterLoaderMetrics", () -> n.getClusterLoaderMetrics().getTotal());
        say("setLogLevel", () -> n.setLogLevel("naming-main", "INFO"));
        say("updateLogLevel", () -> {
            n.updateLogLevel("core", "INFO");
            return "";
        });
        say("raftOps", () -> n.raftOps("transferLeader", "127.0.0.1:1", "naming"));
        say("getIdGenerators", () -> n.getIdGenerators().size());
        say("updateLookupMode", () -> n.updateLookupMode("file"));
        say("listSelectorTypes", n::listSelectorTypes);
        say("getHealthCheckers", n::getHealthCheckers);
    }

    private static void namespaces(NamingMaintainerService n) {
        say("checkNamespaceIdExist of none", () -> n.checkNamespaceIdExist("dev"));
        say("createNamespace", () -> n.createNamespace("dev", "Dev", "for tests"));
        say("createNamespace again", () -> n.createNamespace("dev", "Dev", "for tests"));
        say("checkNamespaceIdExist", () -> n.checkNamespaceIdExist("dev"));
        say("getNamespace", () -> n.getNamespace("dev"));
        say("updateNamespace", () -> n.updateNamespace("dev", "Development", "for more tests"));
        say("getNamespaceList", () -> {
            List<Namespace> all = new ArrayList<>(n.getNamespaceList());
            all.sort(Comparator.comparing(Namespace::getNamespace));
            return all;
        });
        say("deleteNamespace", () -> n.deleteNamespace("dev"));
        say("getNamespace of none", () -> n.getNamespace("dev"));
    }

    private static Service service(String name) {
        Service s = new Service();
        s.setNamespaceId(NAMESPACE);
        s.setGroupName(GROUP);
        s.setName(name);
        s.setEphemeral(false);
        return s;
    }

    private static Instance instance(int last) {
        Instance i = new Instance();
        i.setIp("10.1.0." + last);
        i.setPort(8080);
        i.setClusterName("DEFAULT");
        i.setEphemeral(false);
        i.setWeight(2.0);
        i.setMetadata(new java.util.TreeMap<>(Map.of("version", "v1")));
        return i;
    }

    private static void services(NamingMaintainerService n) {
        Service order = service("order");
        order.setProtectThreshold(0.25f);
        order.setMetadata(new java.util.TreeMap<>(Map.of("owner", "shop")));
        say("createService", () -> n.createService(order));
        say("createService again", () -> n.createService(order));
        say("getServiceDetail", () -> n.getServiceDetail(order));
        order.setProtectThreshold(0.5f);
        order.setMetadata(new java.util.TreeMap<>(Map.of("owner", "market")));
        say("updateService", () -> n.updateService(order));
        say("getServiceDetail of the update", () -> n.getServiceDetail(order));
        say("updateService of none", () -> n.updateService(service("none")));
        say("getServiceDetail of none", () -> n.getServiceDetail(service("none")));
        say("removeService of none", () -> n.removeService(service("none")));
        say("createService of a bad name", () -> n.createService(service("a b@@c")));
    }

    private static void instances(NamingMaintainerService n) {
        Service order = service("order");
        ClusterInfo cluster = new ClusterInfo();
        cluster.setClusterName("DEFAULT");
        cluster.setHealthChecker(new AbstractHealthChecker.None());
        cluster.setMetadata(new java.util.TreeMap<>(Map.of("zone", "east")));
        say("updateCluster", () -> n.updateCluster(order, cluster));
        say("registerInstance", () -> n.registerInstance(order, instance(1)));
        say("registerInstance of a second one", () -> n.registerInstance(order, instance(2)));
        say("listInstances", () -> sorted(n.listInstances(order, "", false)));
        say("getInstanceDetail", () -> n.getInstanceDetail(order, instance(1)));
        say("getInstanceDetail of none", () -> n.getInstanceDetail(order, instance(9)));
        Instance changed = instance(1);
        changed.setWeight(0.5);
        changed.setEnabled(false);
        changed.setMetadata(new java.util.TreeMap<>(Map.of("version", "v2")));
        say("updateInstance", () -> n.updateInstance(order, changed));
        say("getInstanceDetail of the update", () -> n.getInstanceDetail(order, instance(1)));
        Instance partly = instance(1);
        partly.setMetadata(new java.util.TreeMap<>(Map.of("more", "m")));
        say("partialUpdateInstance", () -> n.partialUpdateInstance(order, partly));
        say("getInstanceDetail of the partial update", () -> n.getInstanceDetail(order, instance(1)));
        say("batchUpdateInstanceMetadata", () -> n.batchUpdateInstanceMetadata(order, List.of(instance(1), instance(2)), Map.of("batch", "b")));
        say("listInstances after the batch", () -> sorted(n.listInstances(order, "DEFAULT", false)));
        say("batchDeleteInstanceMetadata", () -> n.batchDeleteInstanceMetadata(order, List.of(instance(1), instance(2)), Map.of("batch", "b")));
        Instance ill = instance(2);
        ill.setHealthy(false);
        say("updateInstanceHealthStatus", () -> n.updateInstanceHealthStatus(order, ill));
        settle();
        say("listInstances after all", () -> sorted(n.listInstances(order, "DEFAULT", false)));
        say("listInstances that are healthy", () -> sorted(n.listInstances(order, "DEFAULT", true)));
        say("getServiceDetail with a cluster", () -> n.getServiceDetail(order));
        say("listServices", () -> n.listServices(NAMESPACE, "", ""));
        say("listServices by name", () -> n.listServices(NAMESPACE, "DEFAULT", "rde", true, 1, 10));
        say("listServices of another name", () -> n.listServices(NAMESPACE, "", "stock", false, 1, 10));
        say("listServicesWithDetail", () -> n.listServicesWithDetail(NAMESPACE, "", "", 1, 10));
        say("getSubscribers", () -> n.getSubscribers(order, 1, 10, false));
    }

    private static void clients(NamingMaintainerService n) {
        Service order = service("order");
        String client = "10.1.0.1:8080#false";
        say("getClientList", () -> {
            List<String> all = new ArrayList<>(n.getClientList());
            all.sort(Comparator.naturalOrder());
            return all;
        });
        say("getClientDetail", () -> n.getClientDetail(client));
        say("getClientDetail of none", () -> n.getClientDetail("nobody"));
        say("getPublishedServiceList", () -> n.getPublishedServiceList(client));
        say("getSubscribeServiceList", () -> n.getSubscribeServiceList(client));
        say("getPublishedClientList", () -> n.getPublishedClientList(NAMESPACE, GROUP, "order", "10.1.0.1", 8080));
        say("getSubscribeClientList", () -> n.getSubscribeClientList(NAMESPACE, GROUP, "order", "", null));
        for (int i = 1; i <= 2; i++) {
            int last = i;
            say("deregisterInstance " + last, () -> n.deregisterInstance(order, instance(last)));
        }
        say("deregisterInstance of none", () -> n.deregisterInstance(order, instance(9)));
        settle();
        say("listInstances of nobody", () -> n.listInstances(order, "", false));
    }

    private static void configurations(ConfigMaintainerService c) {
        say("getConfig of none", () -> c.getConfig("order.yaml"));
        say("publishConfig", () -> c.publishConfig("order.yaml", GROUP, NAMESPACE, "limit: 1", "shop", "ann", "a,b", "limits", "yaml"));
        say("publishConfig of another one", () -> c.publishConfig("stock.properties", GROUP, NAMESPACE, "limit=2", "stock", "ann", "b", "", "properties"));
        say("publishConfig of a bad name", () -> c.publishConfig("a b", GROUP, NAMESPACE, "limit=2"));
        settle();
        say("getConfig", () -> c.getConfig("order.yaml"));
        say("listConfigs", () -> c.listConfigs(NAMESPACE));
        say("listConfigs by data ID", () -> names(c.listConfigs("order.yaml", GROUP, NAMESPACE).getPageItems()));
        say("listConfigs by a part of a data ID", () -> names(c.listConfigs("order", GROUP, NAMESPACE).getPageItems()));
        say("listConfigs by type", () -> names(c.listConfigs("", "", NAMESPACE, "properties").getPageItems()));
        say("listConfigs by tag", () -> names(c.listConfigs("", "", NAMESPACE, "", "a", "").getPageItems()));
        say("listConfigs by application", () -> names(c.listConfigs("", "", NAMESPACE, "", "", "stock").getPageItems()));
        say("searchConfigs by a pattern", () -> names(c.searchConfigs("ord*", "", NAMESPACE).getPageItems()));
        say("searchConfigs by a part", () -> names(c.searchConfigs("rde", "", NAMESPACE).getPageItems()));
        say("searchConfigs by content", () -> names(c.searchConfigs("", "", NAMESPACE, "limit=", "", "", "", 1, 10).getPageItems()));
        say("searchConfigs, second page", () -> names(c.searchConfigs("", "", NAMESPACE, "", "", "", "", 2, 1).getPageItems()));
        say("getConfigListByNamespace", () -> names(c.getConfigListByNamespace(NAMESPACE)));
        say("getListeners", () -> c.getListeners("order.yaml", GROUP));
        say("getAllSubClientConfigByIp", () -> c.getAllSubClientConfigByIp("127.0.0.1", true, NAMESPACE, false));
        say("publishBetaConfig", () -> c.publishBetaConfig("order.yaml", GROUP, NAMESPACE, "limit: 9", "", "", "", "", "yaml", "10.1.0.9"));
        say("getConfig after the beta", () -> c.getConfig("order.yaml").getContent());
        say("queryBeta", () -> c.queryBeta("order.yaml", GROUP, NAMESPACE).getContent());
        say("stopBeta", () -> c.stopBeta("order.yaml", GROUP, NAMESPACE));
        say("cloneConfig", () -> {
            ConfigCloneInfo one = new ConfigCloneInfo();
            one.setConfigId(Long.valueOf(c.getConfig("order.yaml").getId()));
            one.setTargetDataId("copy.yaml");
            one.setTargetGroupName(GROUP);
            return c.cloneConfig(NAMESPACE, List.of(one), "ann", SameConfigPolicy.ABORT);
        });
        say("updateLocalCacheFromStore", c::updateLocalCacheFromStore);
        say("setLogLevel of configurations", () -> c.setLogLevel("config-server", "INFO"));
    }

    private static void history(ConfigMaintainerService c) {
        say("publishConfig once more", () -> c.publishConfig("order.yaml", GROUP, NAMESPACE, "limit: 2", "shop", "ann", "a,b", "limits", "yaml"));
        settle();
        say("listConfigHistory", () -> c.listConfigHistory("order.yaml", GROUP, NAMESPACE, 1, 10));
        say("getConfigHistoryInfo", () -> c.getConfigHistoryInfo("order.yaml", GROUP, NAMESPACE, newest(c)));
        say("getPreviousConfigHistoryInfo", () -> c.getPreviousConfigHistoryInfo("order.yaml", GROUP, NAMESPACE, Long.valueOf(c.getConfig("order.yaml").getId())));
        say("getConfigHistoryInfo of none", () -> c.getConfigHistoryInfo("order.yaml", GROUP, NAMESPACE, 123456L));
        say("deleteConfig", () -> c.deleteConfig("order.yaml"));
        say("deleteConfig again", () -> c.deleteConfig("order.yaml"));
        say("deleteConfigs", () -> c.deleteConfigs(List.of(Long.valueOf(c.getConfig("stock.properties").getId()))));
        settle();
        say("listConfigs after all", () -> c.listConfigs("stock.properties", "", NAMESPACE).getTotalCount());
        say("getConfig of one that is gone", () -> c.getConfig("order.yaml"));
    }

    private static Long newest(ConfigMaintainerService c) throws Exception {
        List<ConfigHistoryBasicInfo> all = c.listConfigHistory("order.yaml", GROUP, NAMESPACE, 1, 10).getPageItems();
        return Long.valueOf(all.get(0).getId());
    }

    private static List<String> names(List<ConfigBasicInfo> list) {
        List<String> out = new ArrayList<>();
        for (ConfigBasicInfo i : list) {
            out.add(i.getDataId());
        }
        out.sort(Comparator.naturalOrder());
        return out;
    }

    private static List<Instance> sorted(List<Instance> list) {
        List<Instance> out = new ArrayList<>(list);
        out.sort(Comparator.comparing(Instance::getIp));
        return out;
    }

    /** Nacos takes a moment until its answers have what was acknowledged. */
    private static void settle() {
        try {
            Thread.sleep(1500);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void say(String name, Callable<?> call) {
        String text;
        try {
            text = JSON.writeValueAsString(call.call());
        } catch (Exception e) {
            text = "refused: " + e;
        }
        System.out.println(name + "\t" + text.replaceAll("\\s+", " "));
    }
}
