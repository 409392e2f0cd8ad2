package interop;

import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.config.listener.Listener;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.stream.Collectors;

/**
 * Driver of the official client for Java: commands as lines of fields between tabs on standard input, one answer for each.
 * See process_test.go for the commands. It compiles against nacos-client 1.4, 2.x and 3.x.
 */
public final class Driver {
    private static final String GROUP = "DEFAULT_GROUP";
    private static final long TIMEOUT_MS = 5000;

    private final NamingService naming;
    private final ConfigService config;
    private final Map<String, String> lists = new ConcurrentHashMap<>();
    private final Map<String, String> contents = new ConcurrentHashMap<>();
    private final TreeSet<String> watched = new TreeSet<>();
    private final TreeSet<String> watchedConfigs = new TreeSet<>();

    private Driver(String server, String namespace, String username, String password) throws Exception {
        Properties p = new Properties();
        p.setProperty("serverAddr", server);
        p.setProperty("namespace", namespace.equals("public") ? "" : namespace);
        if (!username.isEmpty()) {
            p.setProperty("username", username);
            p.setProperty("password", password);
        }
        naming = NacosFactory.createNamingService(p);
        config = NacosFactory.createConfigService(p);
    }

    public static void main(String[] args) throws Exception {
        Driver d = new Driver(args[0], args[1], args.length > 2 ? args[2] : "", args.length > 3 ? args[3] : "");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer;
            try {
                answer = "ok\t" + d.command(line.split("\t", -1));
            } catch (Exception e) {
                answer = "error\t" + e.toString().replaceAll("\\s+", " ");
            }
            System.out.println(answer);
            System.out.flush();
        }
        Runtime.getRuntime().halt(0); // as a process that crashes: nothing is deregistered
    }

    private String command(String[] f) throws Exception {
        switch (f[0]) {
            case "ready":
                return naming.getServerStatus();
            case "register":
                naming.registerInstance(f[1], GROUP, parse(f[2]));
                return "";
            case "batch":
                List<Instance> batch = new ArrayList<>();
                for (String text : f[2].split(" ")) {
                    batch.add(parse(text));
                }
                NamingService.class.getMethod("batchRegisterInstance", String.class, String.class, List.class).invoke(naming, f[1], GROUP, batch);
                return "";
            case "deregister":
                naming.deregisterInstance(f[1], GROUP, parse(f[2]));
                return "";
            case "list":
                return print(naming.getAllInstances(f[1], GROUP, false));
            case "services":
                return String.join(" ", naming.getServicesOfServer(1, 1000, GROUP).getData());
            case "subscribe":
                naming.subscribe(f[1], GROUP, e -> lists.put(f[1], print(((NamingEvent) e).getInstances())));
                return "";
            case "seen":
                return lists.getOrDefault(f[1], "-");
            case "publish":
                return yes(config.publishConfig(f[1], GROUP, f[2]));
            case "publishcas":
                return yes((Boolean) ConfigService.class.getMethod("publishConfigCas", String.class, String.class, String.class, String.class)
                        .invoke(config, f[1], GROUP, f[2], f[3]));
            case "config":
                String content = config.getConfig(f[1], GROUP, TIMEOUT_MS);
                return content == null ? "" : content;
            case "remove":
                return yes(config.removeConfig(f[1], GROUP));
            case "listen":
                config.addListener(f[1], GROUP, listener(f[1]));
                return "";
            case "heard":
                return contents.getOrDefault(f[1], "-");
            case "fuzzy":
                fuzzyWatch(NamingService.class, naming, "naming.listener", f[1] + "*", "getServiceName", "getChangeType", "DELETE_SERVICE", watched);
                return "";
            case "fuzzyconfig":
                fuzzyWatch(ConfigService.class, config, "config.listener", f[1] + "*", "getDataId", "getChangedType", "DELETE_CONFIG", watchedConfigs);
                return "";
            case "fuzzyconfigseen":
                synchronized (watchedConfigs) {
                    return String.join(" ", watchedConfigs);
                }
            case "fuzzyseen":
                synchronized (watched) {
                    return String.join(" ", watched);
                }
            default:
                throw new IllegalArgumentException("no command " + f[0]);
        }
    }

    private static String yes(boolean done) {
        if (!done) {
            throw new IllegalStateException("the client answers false");
        }
        return "";
    }

    private Listener listener(String dataId) {
        return new Listener() {
            @Override
            public Executor getExecutor() {
                return null;
            }

            @Override
            public void receiveConfigInfo(String content) {
                contents.put(dataId, content == null ? "" : content);
            }
        };
    }

    /** Calls fuzzyWatch, which 2.x does not have, by reflection. */
    private void fuzzyWatch(Class<?> api, Object service, String where, String pattern, String nameOf, String typeOf, String gone,
            TreeSet<String> known) throws Exception {
        Class<?> watcher = Class.forName("com.alibaba.nacos.api." + where + ".FuzzyWatchEventWatcher");
        Object w = Proxy.newProxyInstance(Driver.class.getClassLoader(), new Class<?>[] {watcher}, (self, method, args) -> {
            switch (method.getName()) {
                case "onEvent":
                    Object e = args[0];
                    String name = (String) e.getClass().getMethod(nameOf).invoke(e);
                    synchronized (known) {
                        if (e.getClass().getMethod(typeOf).invoke(e).equals(gone)) {
                            known.remove(name);
                        } else {
                            known.add(name);
                        }
                    }
                    return null;
                case "hashCode":
                    return System.identityHashCode(self);
                case "equals":
                    return self == args[0];
                case "toString":
                    return "watcher";
                default:
                    return null;
            }
        });
        api.getMethod("fuzzyWatch", String.class, String.class, watcher).invoke(service, pattern, GROUP, w);
    }

    private static Instance parse(String text) {
        String[] f = text.split("\\|", -1);
        Instance i = new Instance();
        i.setIp(f[0]);
        i.setPort(Integer.parseInt(f[1]));
        i.setClusterName(f[2]);
        i.setWeight(Double.parseDouble(f[3]));
        i.setHealthy(Boolean.parseBoolean(f[4]));
        i.setEnabled(Boolean.parseBoolean(f[5]));
        i.setEphemeral(Boolean.parseBoolean(f[6]));
        for (String pair : f[7].split("&")) {
            int at = pair.indexOf('=');
            if (at > 0) {
                i.addMetadata(pair.substring(0, at), pair.substring(at + 1));
            }
        }
        return i;
    }

    private static String print(List<Instance> list) {
        return list.stream().map(i -> String.join("|",
                i.getIp(), String.valueOf(i.getPort()), i.getClusterName(), String.format(Locale.ROOT, "%.2f", i.getWeight()),
                String.valueOf(i.isHealthy()), String.valueOf(i.isEnabled()), String.valueOf(i.isEphemeral()),
                new TreeMap<>(i.getMetadata()).entrySet().stream().map(e -> e.getKey() + "=" + e.getValue()).collect(Collectors.joining("&"))))
            .sorted().collect(Collectors.joining(" "));
    }
}
